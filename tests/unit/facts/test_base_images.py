"""Base images with the CUDA, cuDNN, Python and digest of their tag."""

from __future__ import annotations

import pytest

from torchpin import facts


def test_a_base_image_brings_what_its_row_says() -> None:
    image = facts.base_image("docker.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    assert image is not None
    assert (image.cuda, image.cudnn, image.variant) == ("12.1.1", "8.9.0.131", "cudnn8-devel")
    assert (image.os, image.python, image.apt_python) == ("ubuntu22.04", None, "3.10.12")
    assert (image.status, image.on_hub) == ("supported", True)
    assert image.digest == "sha256:21196d81f56b48dbee70494d5f10322e1a77cc47ffe202a3bf68eab81533c20f"
    assert image.digest_source.startswith("code index ids")


def test_docker_hub_was_asked_about_cudnn_devel_only() -> None:
    runtime = facts.base_image("nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04")
    plain = facts.base_image("nvidia/cuda:12.1.1-devel-ubuntu22.04")
    assert runtime is not None
    assert runtime.on_hub is None
    assert plain is not None
    assert plain.cudnn is None


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04",
        "nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04",
        "nvidia/cuda:12.4.0-cudnn-devel-ubuntu22.04",
        "nvidia/cuda:12.1-devel-ubuntu22.04",
        "nvidia/cuda:latest",
    ],
)
def test_an_invented_tag_has_no_row(image: str) -> None:
    assert facts.base_image(image) is None


def test_a_pytorch_image_has_a_python() -> None:
    image = facts.base_image("pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")
    assert image is not None
    assert (image.torch, image.python, image.cudnn) == ("2.7.1+cu126", "3.11", "9")
    assert image.digest is not None
