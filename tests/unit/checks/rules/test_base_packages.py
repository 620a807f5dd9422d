"""BAS006: base images without apt-get or without a shell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.base_images import environment_on
from support.checks import judge_check
from torchpin.model import Change

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.model import Environment


def with_apt(environment: Environments, image: str, *packages: str, digest: str | None = None) -> Environment:
    env = environment_on(environment, image, digest)
    return replace(env, service=replace(env.service, apt=packages))


@pytest.mark.parametrize(
    ("image", "system"),
    [
        ("nvidia/cuda:12.8.1-devel-ubi8", "ubi8"),
        ("nvidia/cuda:12.8.1-devel-rockylinux9", "rockylinux9"),
        ("nvidia/cuda:12.8.1-base-amzn2023", "amzn2023"),
        ("rockylinux:9", "rockylinux9"),
        ("fedora:41", "fedora41"),
        ("amazonlinux:2023", "amazonlinux2023"),
        ("public.ecr.aws/lambda/python:3.12", "amazonlinux2023"),
        ("registry.access.redhat.com/ubi9/ubi-minimal:9.5", "ubi9"),
        ("python:3.12-alpine3.20", "alpine3.20"),
        ("opensuse/leap:15.6", "opensuse15.6"),
    ],
)
def test_a_distribution_without_apt_get_is_an_error_where_packages_are_to_be_installed(
    image: str, system: str, environment: Environments
) -> None:
    env = with_apt(environment, image, "build-essential", "ffmpeg")
    (finding,) = judge_check(env, "BAS006").findings
    assert (finding.level, finding.location) == ("error", env.service.location("apt"))
    assert finding.message == (
        f"{image} is of {system}, which has no apt-get, so build-essential, ffmpeg cannot be installed"
    )
    assert finding.help.endswith("or remove `apt:` if the image has what the service needs")
    assert judge_check(with_apt(environment, image), "BAS006").status == "not applicable"


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda:12.8.1-devel-ubuntu22.04",
        "debian:bookworm-slim",
        "python:3.12-slim-bookworm",
        "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel",
        "nvcr.io/nvidia/pytorch:25.08-py3",
    ],
)
def test_debian_and_ubuntu_have_apt_get(image: str, environment: Environments) -> None:
    assert judge_check(with_apt(environment, image, "ffmpeg"), "BAS006").status == "ok"


def test_the_same_image_on_ubuntu_is_named_and_ends_the_finding(environment: Environments) -> None:
    env = with_apt(
        environment, "nvcr.io/nvidia/cuda:12.8.1-devel-ubi8", "ffmpeg", digest=f"sha256:{'0' * 64}"
    )
    (finding,) = judge_check(env, "BAS006").findings
    image = "nvcr.io/nvidia/cuda:12.8.1-devel-ubuntu22.04"
    assert finding.help.startswith(f"set `image: {image}`")
    assert finding.fix == (Change(path="base.image", value=image), Change(path="base.digest", value=None))
    assert judge_check(with_apt(environment, image, "ffmpeg"), "BAS006").status == "ok"


@pytest.mark.parametrize("image", ["acme/base:1", "registry.example/tools:latest"])
def test_an_image_whose_distribution_is_not_known_is_unknown(image: str, environment: Environments) -> None:
    assert judge_check(with_apt(environment, image, "ffmpeg"), "BAS006").status == "unknown"
    assert judge_check(with_apt(environment, image), "BAS006").status == "not applicable"


@pytest.mark.parametrize("tag", ["nonroot", "debug"])
@pytest.mark.parametrize("packages", [(), ("ffmpeg",)])
def test_an_image_without_a_shell_runs_no_step_of_a_build(
    tag: str, packages: tuple[str, ...], environment: Environments
) -> None:
    env = with_apt(environment, f"gcr.io/distroless/python3-debian12:{tag}", *packages)
    (finding,) = judge_check(env, "BAS006").findings
    assert finding.level == "error"
    assert "has no shell" in finding.message
