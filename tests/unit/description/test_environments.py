"""Environments of the services, with their CUDA, index, mirror variables and native platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import make_torch
from torchpin.compat.wheels import best_wheel
from torchpin.description.environments import (
    cuda_version,
    index_url,
    mirror_variable,
    native_environment,
    select_environments,
    torch_build,
    uv_platform,
)
from torchpin.errors import InputError
from torchpin.model import Environment, Service, Variant

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Services

GPU = Variant(name="gpu", channel="cu121", platform="linux/amd64")
CPU = Variant(name="cpu", channel="cpu", platform="linux/amd64")


@pytest.fixture
def two_services(service: Services) -> tuple[Service, ...]:
    return service(variants=(GPU, CPU)), service(name="seedvr", variants=(GPU,))


def names(environments: tuple[Environment, ...]) -> list[str]:
    return [env.name for env in environments]


def test_all_environments_are_every_service_s_variants(two_services: tuple[Service, ...]) -> None:
    assert names(select_environments(two_services)) == ["lora-gpu", "lora-cpu", "seedvr-gpu"]


def test_environments_are_chosen_by_service_and_variant(two_services: tuple[Service, ...]) -> None:
    assert names(select_environments(two_services, service="lora")) == ["lora-gpu", "lora-cpu"]
    assert names(select_environments(two_services, variant="gpu")) == ["lora-gpu", "seedvr-gpu"]
    assert names(select_environments(two_services, service="lora", variant="cpu")) == ["lora-cpu"]


@pytest.mark.parametrize(
    ("name", "variant", "message"),
    [
        ("laura", "", "service 'laura' does not exist (did you mean 'lora'?)"),
        ("zzz", "", "service 'zzz' does not exist (known: lora, seedvr)"),
        ("", "gpus", "variant 'gpus' does not exist (did you mean 'gpu'?)"),
        ("seedvr", "cpu", "variant 'cpu' does not exist (did you mean 'gpu'?)"),
        ("seedvr", "arm64", "variant 'arm64' does not exist (known: gpu)"),
    ],
)
def test_a_name_that_nothing_has_is_refused(
    two_services: tuple[Service, ...], name: str, variant: str, message: str
) -> None:
    with pytest.raises(InputError) as excinfo:
        select_environments(two_services, service=name, variant=variant)
    assert str(excinfo.value) == message


def test_a_repository_without_services_says_so() -> None:
    for service in ("", "lora"):
        with pytest.raises(InputError) as excinfo:
            select_environments((), service=service)
        assert str(excinfo.value) == (
            "there is no service yet; `invoke new --service NAME` writes one to start from"
        )


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("cu121", "TORCHPIN_MIRROR_CU121"),
        ("sd-scripts", "TORCHPIN_MIRROR_SD_SCRIPTS"),
        ("docker.io", "TORCHPIN_MIRROR_DOCKER_IO"),
    ],
)
def test_a_mirror_has_a_variable(name: str, variable: str) -> None:
    assert mirror_variable(name) == variable


def test_a_channel_has_an_address_and_pypi_is_found_without_one() -> None:
    assert index_url("cu121") == "https://download.pytorch.org/whl/cu121"
    assert index_url("pypi") is None


def test_cuda_and_build_follow_from_the_channel(environment: Environments) -> None:
    def build_and_cuda(channel: str, platform: str = "linux/amd64") -> tuple[str | None, str | None]:
        env = environment(channel=channel, platform=platform)
        return torch_build(env), cuda_version(env)

    assert build_and_cuda("cu121") == ("cu121", "12.1")
    assert build_and_cuda("cpu") == ("cpu", None)
    assert build_and_cuda("pypi") == ("cu124", "12.4")
    assert build_and_cuda("pypi", "linux/arm64") == ("cpu", None)
    later = environment(channel="pypi", platform="linux/arm64", torch=make_torch("2.11.0"))
    assert (torch_build(later), cuda_version(later)) == ("cu130", "13.0")
    unknown = environment(channel="pypi", torch=make_torch("2.16.0"))
    assert (torch_build(unknown), cuda_version(unknown)) == (None, None)


@pytest.mark.parametrize(
    ("channel", "platform", "local_platform", "expected"),
    [
        ("cu121", "linux/amd64", "linux/amd64", ("cu121", "linux/amd64")),
        ("cpu", "linux/arm64", "linux/arm64", ("cpu", "linux/arm64")),
        ("cpu", "linux/amd64", "macos/arm64", ("pypi", "macos/arm64")),
        ("cu121", "linux/amd64", "macos/arm64", None),
        ("cpu", "linux/amd64", "linux/arm64", None),
        ("cpu", "linux/amd64", "", None),
    ],
)
def test_an_environment_is_native_on_its_platform_and_a_cpu_build_on_macos_too(
    environment: Environments,
    channel: str,
    platform: str,
    local_platform: str,
    expected: tuple[str, str] | None,
) -> None:
    native_env = native_environment(environment(channel=channel, platform=platform), local_platform)
    assert (native_env and (native_env.variant.channel, native_env.variant.platform)) == expected


def test_macos_has_its_own_wheels_and_no_cuda(environment: Environments, artifact: Artifacts) -> None:
    env = environment(channel="pypi", platform="macos/arm64")
    assert (torch_build(env), cuda_version(env), uv_platform("macos/arm64")) == (
        "cpu",
        None,
        "aarch64-apple-darwin",
    )
    files = [
        artifact("a", filename="a-1.0-cp310-cp310-macosx_11_0_arm64.whl"),
        artifact("a", filename="a-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"),
        artifact("a", filename="a-1.0-cp310-cp310-macosx_11_0_x86_64.whl"),
    ]
    best = best_wheel(files, env.service.python, "macos/arm64")
    assert best
    assert best.filename == files[0].filename
