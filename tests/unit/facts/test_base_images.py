"""Base images: rows of single tags, digests and lists, joined with what names say."""

from __future__ import annotations

import pytest

from torchpin import facts


def test_a_base_image_brings_what_its_row_says() -> None:
    image = facts.base_image("docker.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    assert image is not None
    assert (image.cuda, image.cudnn, image.variant) == ("12.1.1", "8.9.0.131", "cudnn8-devel")
    assert (image.os, image.python, image.apt_python) == ("ubuntu22.04", None, "3.10.12")
    assert (image.status, image.listed, image.gate_cuda) == ("supported", True, "12.1.1")
    assert image.digest == "sha256:21196d81f56b48dbee70494d5f10322e1a77cc47ffe202a3bf68eab81533c20f"
    assert image.digest_source.startswith("code index ids")


def test_the_evidence_says_what_is_read_from_the_name_and_what_is_not() -> None:
    image = facts.base_image("python:3.12.4-slim-bookworm")
    assert image is not None
    assert image.source.startswith("read from the name; docker-library/python ")
    assert image.source.endswith("Debian packages glibc and python3 of bookworm; Debian wiki LTS")


def test_a_digest_is_that_of_docker_hub_s_name_only() -> None:
    mirrored = facts.base_image("nvcr.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    assert mirrored is not None
    assert mirrored.digest is None


@pytest.mark.parametrize(
    ("image", "platforms"),
    [
        ("nvidia/cuda:12.8.1-devel-ubuntu22.04", ("linux/amd64", "linux/arm64")),
        ("nvidia/cuda:12.1.1-devel-centos7", ("linux/amd64",)),
        ("nvidia/cuda:12.8.1-base-amzn2023", ("linux/amd64",)),
        ("nvidia/cuda:12.9.1-base-amzn2023", ("linux/amd64", "linux/arm64")),
    ],
)
def test_a_cuda_image_names_its_platforms(image: str, platforms: tuple[str, ...]) -> None:
    row = facts.base_image(image)
    assert row is not None
    assert row.platforms == platforms


def test_a_deleted_tag_may_still_be_on_a_mirror() -> None:
    deleted = facts.base_image("nvidia/cuda:11.7.0-devel-ubuntu22.04")
    kept = facts.base_image("registry.example:5000/nvidia/cuda:11.7.0-devel-ubuntu22.04")
    assert deleted is not None
    assert kept is not None
    assert (deleted.withdrawn, kept.withdrawn, kept.listed) == (True, False, False)


def test_a_row_of_a_tag_says_more_than_its_name() -> None:
    image = facts.base_image("pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel")
    assert image is not None
    assert (image.torch, image.python, image.cudnn) == ("2.5.1+cu124", "3.11.10", "9")
    assert image.digest is not None
    assert image.glibc == "2.35"


@pytest.mark.parametrize(
    ("image", "gate"),
    [
        ("pytorch/pytorch:2.9.1-cuda12.8-cudnn9-devel", "12.8"),  # built on nvidia/cuda
        ("pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime", None),  # built on ubuntu
        ("runpod/base:1.0.2-cuda1281-ubuntu2204", "12.8.1"),
        ("nvcr.io/nvidia/pytorch:25.10-py3", None),
        ("ubuntu:22.04", None),
    ],
)
def test_an_image_on_nvidia_cuda_inherits_its_gate(image: str, gate: str | None) -> None:
    row = facts.base_image(image)
    assert row is not None
    assert row.gate_cuda == gate


def test_the_list_has_every_image_once_and_each_is_read() -> None:
    images = [row.image for row in facts.base_images()]
    assert len(images) == len(set(images)) > 1900
    assert "nvidia/cuda:12.8.1-cudnn-devel-oraclelinux9" in images
    assert "pytorch/pytorch:2.9.1-cuda13.0-cudnn9-runtime" in images
    assert not [
        row.image for row in facts.base_images() if facts.tag_violation(row.image)[0] or not row.listed
    ]


def test_what_an_image_is_whose_name_does_not_say_it() -> None:
    assert facts.image_description("rocm/pytorch:latest") == "for AMD GPUs: a torch for ROCm"
    assert facts.image_description("example/own:1") == ""
