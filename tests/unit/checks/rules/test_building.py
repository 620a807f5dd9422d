"""BLD001-003: the stage that compiles wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.base_images import environment_on
from support.checks import judge_check, make_positions
from torchpin.description.edit import apply_changes
from torchpin.model import Base, BuildStage, BuiltWheel, Environment, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments

IMAGE = "nvidia/cuda:12.8.1-base-ubuntu22.04"
DEVEL = "nvidia/cuda:12.8.1-devel-ubuntu22.04"
TORCH = Torch(version=Version("2.8.0"), companions={})


def make_stage(image: str, **changes: Any) -> BuildStage:
    base = Base(image=image, digest=changes.pop("digest", None))
    wheels = (BuiltWheel(package=Requirement("my-ops==0.1"), folder="ops"),)
    return BuildStage(base=base, wheels=wheels, **changes)


def with_stage(
    environment: Environments, image: str = DEVEL, *, on: str = IMAGE, **changes: Any
) -> Environment:
    channel = changes.pop("channel", "cu128")
    service = {name: changes.pop(name) for name in ("gpus", "torch", "positions") if name in changes}
    stage = make_stage(image, **changes)
    return environment_on(environment, on, channel=channel, build=stage, **{"torch": TORCH, **service})


def test_a_service_that_compiles_nothing_is_not_judged(environment: Environments) -> None:
    env = environment_on(environment, IMAGE, torch=TORCH, channel="cu128")
    statuses = {judge_check(env, check).status for check in ("BLD001", "BLD002", "BLD003")}
    assert statuses == {"not applicable"}


def test_a_devel_image_with_the_cuda_of_torch_compiles(environment: Environments) -> None:
    result = judge_check(with_stage(environment, gpus=("RTX 5090",)), "BLD001")
    assert result.status == "ok"
    assert result.evidence[0].evidence.startswith(
        f"{DEVEL} has nvcc of CUDA 12.8.1, that of torch 2.8.0+cu128"
    )


WITHOUT_TOOLKIT = {
    "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04": "has the CUDA runtime, and no nvcc",
    "ubuntu:22.04": "has no CUDA",
    "nvidia/cuda:11.8.0-devel-ubuntu22.04": (
        "has nvcc of CUDA 11.8.0, and torch 2.8.0+cu128 is compiled with 12.8: torch refuses another major"
    ),
}


@pytest.mark.parametrize(("image", "message"), WITHOUT_TOOLKIT.items(), ids=WITHOUT_TOOLKIT)
def test_an_image_that_cannot_compile_for_torch_is_an_error_with_the_image_that_can(
    image: str, message: str, environment: Environments
) -> None:
    env = with_stage(environment, image, positions=make_positions("build.base.image"))
    (finding,) = judge_check(env, "BLD001").findings
    assert (finding.level, finding.message) == ("error", f"{image} {message}")
    assert finding.location == "services/lora/service.yaml:7:3"
    assert finding.help.startswith(f"set `image: {DEVEL}` and `digest: sha256:")
    text = f"build:\n  base: {{image: {image!r}}}\n"
    assert f"image: '{DEVEL}', digest: sha256:" in apply_changes(text, finding.fix)


def test_a_toolkit_that_does_not_know_a_gpu_is_an_error(environment: Environments) -> None:
    env = with_stage(environment, "nvidia/cuda:12.6.3-devel-ubuntu22.04", gpus=("RTX 4090", "RTX 5090"))
    (finding,) = judge_check(env, "BLD001").findings
    assert finding.message == (
        "nvcc of CUDA 12.6.3 in nvidia/cuda:12.6.3-devel-ubuntu22.04 does not compile for capability 12.0"
    )


def test_another_minor_is_a_notice(environment: Environments) -> None:
    result = judge_check(
        with_stage(environment, "nvidia/cuda:12.6.3-devel-ubuntu22.04", gpus=("H100",)), "BLD001"
    )
    (notice,) = result.notices
    assert notice.message.endswith("is compiled with 12.8: torch warns about another minor")


def test_an_image_that_is_not_in_the_facts_is_unknown(environment: Environments) -> None:
    for check in ("BLD001", "BLD003"):
        assert judge_check(with_stage(environment, "my/toolchain:1"), check).status == "unknown"


def test_a_cpu_build_needs_a_c_plus_plus_compiler(environment: Environments) -> None:
    def result(image: str, *apt: str) -> Any:
        return judge_check(
            with_stage(environment, image, on="ubuntu:22.04", channel="cpu", apt=apt), "BLD001"
        )

    (finding,) = result("ubuntu:22.04").findings
    assert (finding.level, finding.help) == ("warning", "add g++ to `apt` under `build:`")
    assert result("ubuntu:22.04", "g++=4:11.2.0-1ubuntu1").status == "ok"
    assert result("my/toolchain:1").status == "unknown"


def test_the_base_image_of_the_stage_is_held_to_what_holds_for_that_of_a_service(
    environment: Environments,
) -> None:
    env = with_stage(environment, positions=make_positions("build.base.image"))
    (finding,) = judge_check(env, "BLD002").findings
    assert finding.message == f"{DEVEL} is not pinned by digest"
    assert finding.location == "services/lora/service.yaml:7:3"
    (change,) = finding.fix
    assert change.path == "build.base.digest"
    pinned = with_stage(environment, digest=change.value)
    assert judge_check(pinned, "BLD002").status == "ok"


def test_a_stage_without_apt_get_cannot_install_its_packages(environment: Environments) -> None:
    env = with_stage(environment, "nvidia/cuda:12.8.1-devel-ubi8", apt=("ninja-build",))
    messages = [finding.message for finding in judge_check(env, "BLD002").findings]
    assert [message for message in messages if "apt-get" in message and "ninja-build" in message]


def test_a_newer_system_than_that_of_the_image_is_a_warning(environment: Environments) -> None:
    newer = "nvidia/cuda:12.8.1-devel-ubuntu24.04"
    (finding,) = judge_check(with_stage(environment, newer), "BLD003").findings
    assert finding.level == "warning"
    assert finding.message == f"my-ops is compiled with the C library of {newer} (2.39), and {IMAGE} has 2.35"
    assert judge_check(with_stage(environment), "BLD003").status == "ok"
    older = with_stage(environment, DEVEL, on="nvidia/cuda:12.8.1-base-ubuntu24.04")
    assert judge_check(older, "BLD003").status == "ok"
