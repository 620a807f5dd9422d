"""The checks of base images whose names are read by grammar: BAS001, BAS003, BAS004, BAS005, TOR003, GPU002."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.base_images import environment_on, torch_of_base
from support.checks import judge_check
from torchpin.checks.rules.base_image import image_location
from torchpin.model import Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments

NGC = "nvcr.io/nvidia/pytorch:25.10-py3"


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        ("nvcr.io/nvidia/cuda:12.8.1-cudnn-devel-rockylinux9", "ok", ""),
        ("registry.example:5000/nvidia/cuda:12.8.1-base-ubi9", "ok", ""),
        ("nvidia/cuda:11.7.0-devel-ubuntu22.04", "incompatible", "is no longer on Docker Hub"),
        ("registry.example/nvidia/cuda:11.7.0-devel-ubuntu22.04", "unknown", ""),
        ("nvidia/cuda:12.7.0-devel-ubuntu22.04", "incompatible", "has no images of CUDA 12.7.0"),
        ("nvidia/cuda:12.9.9-devel-ubuntu22.04", "unknown", ""),
        ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu20.04", "warning", "reached its end of life on 2025-05-31"),
        ("python:3.12-alpine", "ok", ""),
        ("python:3.12.99-slim-bookworm", "unknown", ""),
        ("python:3.12-bookworm-slim", "incompatible", "3.12-slim-bookworm"),
        ("python:3.9-slim-bookworm", "warning", "reached its end of life on 2025-10-31"),
        ("debian:bookworm-slim", "ok", ""),
        ("centos:7", "warning", "reached its end of life on 2024-06-30"),
        ("pytorch/pytorch:2.9.1-cuda13.0-cudnn9-devel", "ok", ""),
        ("pytorch/pytorch:2.9.1-cuda12.1-cudnn9-devel", "incompatible", "are of CUDA 12.6, 12.8, 13.0"),
        ("pytorch/pytorch:latest", "unknown", ""),
        (NGC, "ok", ""),
    ],
)
def test_a_tag_exists_was_deleted_never_was_or_is_not_known(
    image: str, status: str, message: str, environment: Environments
) -> None:
    result = judge_check(environment_on(environment, image), "BAS001")
    assert result.status == status
    assert all(message in finding.message for finding in result.findings)
    assert bool(message) is bool(result.findings)


def test_what_an_unread_image_is_is_said(environment: Environments) -> None:
    result = judge_check(environment_on(environment, "rocm/pytorch:latest"), "BAS001")
    assert result.unknown == ("rocm/pytorch:latest is not in the facts: for AMD GPUs: a torch for ROCm",)


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nvidia/cuda:12.1.1-base-centos7", "incompatible"),
        ("nvidia/cuda:12.9.1-base-rockylinux9", "ok"),
        ("nvidia/cuda:12.8.1-base-amzn2023", "incompatible"),
        ("debian:bookworm-slim", "ok"),
    ],
)
def test_an_image_for_another_platform_does_not_exist_for_this_one(
    image: str, status: str, environment: Environments
) -> None:
    env = environment_on(environment, image)
    env = replace(env, variant=replace(env.variant, platform="linux/arm64"))
    result = judge_check(env, "BAS001")
    assert (result.status == "incompatible") is (status == "incompatible")
    assert all("for linux/amd64, not for linux/arm64" in finding.message for finding in result.findings)


@pytest.mark.parametrize(
    ("image", "fixed"),
    [
        ("nvidia/cuda:12.7.0-cudnn-devel-ubuntu22.04", "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"),
        ("nvidia/cuda:12.8.1-devel-ubuntu20.04", "nvidia/cuda:12.8.1-devel-ubuntu22.04"),
        ("nvidia/cuda:12.4-devel-ubuntu22.04", "nvidia/cuda:12.4.1-devel-ubuntu22.04"),
        ("nvcr.io/nvidia/cuda:12.4.0-cudnn-devel-ubi9", "nvcr.io/nvidia/cuda:12.4.1-cudnn-devel-ubi9"),
        ("reg:5000/nvidia/cuda:12.1.1-cudnn-devel-ubi8", "reg:5000/nvidia/cuda:12.1.1-cudnn8-devel-ubi8"),
        ("nvidia/cuda:11.7.0-devel-centos7", "nvidia/cuda:11.7.1-devel-ubuntu22.04"),
        (
            "pytorch/pytorch:2.9.1-cuda12.1-cudnn9-devel",
            "pytorch/pytorch:2.9.1-cuda12.6-cudnn9-devel",
        ),
        (
            "pytorch/pytorch:2.3.1-cuda12.1-cudnn9-runtime",
            "pytorch/pytorch:2.3.1-cuda12.1-cudnn8-runtime",
        ),
    ],
)
def test_the_nearest_image_ends_the_finding(image: str, fixed: str, environment: Environments) -> None:
    env = environment_on(environment, image)
    (finding,) = judge_check(env, "BAS001").findings
    values = {change.path: change.value for change in finding.fix}
    assert values["base.image"] == fixed
    assert finding.help.startswith(f"set `image: {fixed}`")
    assert judge_check(environment_on(environment, fixed), "BAS001").status == "ok"


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        ("nvcr.io/nvidia/cuda:12.4.1-base-ubi9", "ok", ""),
        ("nvcr.io/nvidia/cuda:11.8.0-devel-ubi9", "unknown", ""),
        (
            "nvcr.io/nvidia/cuda:11.8.0-devel-ubi8",
            "warning",
            "do not compile with another CUDA major version",
        ),
        ("public.ecr.aws/docker/library/python:3.12-slim", "ok", ""),
        ("vllm/vllm-openai:v0.8.5", "unknown", ""),  # it has a CUDA that its row does not say
        ("rocm/pytorch:rocm6.4.1_ubuntu24.04_py3.12_pytorch_release_2.6.0", "ok", ""),
    ],
)
def test_the_cuda_of_an_image_is_in_its_name(
    image: str, status: str, message: str, environment: Environments
) -> None:
    torch = Torch(version=Version("2.6.0"), companions={})
    result = judge_check(environment_on(environment, image, channel="cu124", torch=torch), "BAS003")
    assert result.status == status
    assert all(message in finding.message for finding in result.findings)


@pytest.mark.parametrize(
    ("image", "version", "channel", "status"),
    [
        ("pytorch/pytorch:2.9.0-cuda12.6-cudnn9-devel", "2.9.0", "cu126", "ok"),
        ("pytorch/pytorch:2.9.0-cuda12.6-cudnn9-devel", "2.9.1", "cu126", "incompatible"),
        ("runpod/pytorch:1.0.2-cu1281-torch260-ubuntu2404", "2.6.0", "cu126", "ok"),
        ("runpod/pytorch:1.0.2-cu1281-torch260-ubuntu2404", "2.6.0", "cu128", "incompatible"),
        (NGC, "2.9.0", "cu130", "unknown"),  # NVIDIA's own build of it
        (NGC, "2.7.1", "cu130", "incompatible"),
        ("vllm/vllm-openai:latest", "2.9.0", "cu128", "unknown"),
    ],
)
def test_the_torch_of_an_image_is_in_its_name_or_row(
    image: str, version: str, channel: str, status: str, environment: Environments
) -> None:
    env = environment_on(environment, image, channel=channel, torch=torch_of_base(version))
    result = judge_check(env, "BAS005")
    assert result.status == status
    # Of a build that no channel has, nothing can be written that would resolve.
    assert all(finding.fix or image == NGC for finding in result.findings)


@pytest.mark.parametrize(
    ("image", "torch"),
    [
        (NGC, "torch 2.9.0a0+145a3a7bda"),
        ("runpod/pytorch:1.0.3-cu1300-torch2100-ubuntu2404", "a torch"),
        ("vllm/vllm-openai:v0.8.5", "torch 2.6.0"),
        ("nvcr.io/nvidia/cuda:12.4.1-devel-ubi9", ""),
    ],
)
def test_a_second_torch_beside_that_of_the_image_is_a_warning(
    image: str, torch: str, environment: Environments
) -> None:
    result = judge_check(environment_on(environment, image), "BAS005")
    assert bool(result.findings) is bool(torch)
    assert all(finding.message.startswith(f"{image} has {torch}, ") for finding in result.findings)


@pytest.mark.parametrize(
    ("python", "image", "status"),
    [
        ("3.12", NGC, "ok"),
        ("3.11", NGC, "incompatible"),
        ("3.10", "runpod/pytorch:2.1.1-py3.10-cuda12.1.1-devel-ubuntu22.04", "ok"),
        ("3.11", "runpod/pytorch:0.7.0-ubuntu2204-cu1241-torch260", "unknown"),
    ],
)
def test_the_python_of_an_image_is_in_its_name_or_row(
    python: str, image: str, status: str, environment: Environments
) -> None:
    env = environment_on(environment, image, torch=torch_of_base("2.9.0"), python=Version(python))
    assert judge_check(env, "BAS004").status == status


@pytest.mark.parametrize(
    ("image", "status", "message"),
    [
        ("nvidia/cuda:12.6.3-base-ubi8", "ok", ""),
        ("debian:12-slim", "ok", ""),
        ("centos:7", "incompatible", "has glibc 2.17"),
        ("amazonlinux:2", "incompatible", "has glibc 2.26"),
        ("python:3.12-alpine", "incompatible", "has musl instead of glibc"),
        ("ghcr.io/astral-sh/uv:python3.12-alpine", "incompatible", "has musl instead of glibc"),
        ("ubuntu:latest", "unknown", ""),
    ],
)
def test_the_c_library_of_an_image_follows_from_its_distribution(
    image: str, status: str, message: str, environment: Environments
) -> None:
    torch = Torch(version=Version("2.9.1"), companions={})  # its wheels are manylinux_2_28
    env = environment_on(environment, image, channel="cu126", torch=torch, python=Version("3.12.11"))
    result = judge_check(env, "TOR003")
    assert result.status == status
    assert all(message in finding.message for finding in result.findings)
    assert image_location(env)


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nvidia/cuda:12.8.0-devel-ubuntu22.04", "incompatible"),
        ("nvcr.io/nvidia/cuda:12.8.1-base-rockylinux9", "incompatible"),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel", "incompatible"),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime", "ok"),
        ("ubuntu:22.04", "ok"),
    ],
)
def test_an_image_on_nvidia_cuda_asks_for_a_driver(
    image: str, status: str, environment: Environments
) -> None:
    torch = Torch(version=Version("2.8.0"), companions={})
    env = environment_on(environment, image, channel="cu128", torch=torch)
    assert judge_check(env, "GPU002", target_driver="555.42.06").status == status


@pytest.mark.parametrize("check", ["TOR001", "TOR003", "GPU001", "GPU003"])
@pytest.mark.parametrize(
    ("image", "torch", "channel", "platform", "gpu"),
    [
        ("nvcr.io/nvidia/pytorch:24.04-py3", "2.3.0", "cu124", "linux/amd64", "H100"),
        ("nvcr.io/nvidia/pytorch:24.04-py3", "2.3.0", "cu124", "linux/arm64", "GH200"),
        ("nvcr.io/nvidia/pytorch:25.08-py3", "2.8.0", "cu129", "linux/arm64", "Jetson Thor"),
        ("nvcr.io/nvidia/pytorch:25.09-py3", "2.9.0", "cu130", "linux/arm64", "GB10"),
        ("nvcr.io/nvidia/l4t-pytorch:r35.2.1-pth2.0-py3", "2.0.0", "cu118", "linux/arm64", "Jetson AGX Orin"),
        ("dustynv/l4t-pytorch:r36.4.0", "2.4.0", "cu126", "linux/arm64", "Jetson AGX Orin"),
    ],
)
def test_a_torch_of_the_base_image_s_publisher_is_not_judged_as_a_wheel_of_the_channel(
    image: str, torch: str, channel: str, platform: str, gpu: str, check: str, environment: Environments
) -> None:
    env = environment_on(environment, image, torch=torch_of_base(torch), channel=channel, gpus=(gpu,))
    env = replace(env, variant=replace(env.variant, platform=platform))
    result = judge_check(env, check)
    assert (result.findings, result.notices) == ((), ())
    assert result.status == ("unknown" if check == "GPU001" else "not applicable")
    installed = replace(env, service=replace(env.service, torch=replace(env.service.torch, origin="index")))
    assert judge_check(installed, check).status != "not applicable" or check == "GPU003"


def test_a_torch_of_the_base_image_that_is_a_channel_s_build_is_judged_as_that(
    environment: Environments,
) -> None:
    image = "pytorch/pytorch:2.5.1-cuda12.1-cudnn9-devel"
    env = environment_on(environment, image, torch=torch_of_base("2.5.1"), channel="cu121", gpus=("B200",))
    assert judge_check(env, "TOR001").status == "ok"
    assert judge_check(env, "GPU001").status == "incompatible"


def test_a_gpu_of_another_machine_is_an_error_beside_any_torch(environment: Environments) -> None:
    env = environment_on(environment, NGC, torch=torch_of_base("2.9.0"), channel="cu130", gpus=("GH200",))
    (finding,) = judge_check(env, "GPU001").findings
    assert "its hosts are aarch64" in finding.message
