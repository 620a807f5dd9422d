"""Names of base images: what their grammar gives, and which names are refused or say nothing."""

from __future__ import annotations

import pytest

from torchpin import facts

# image, distribution, glibc, Python, CUDA, cuDNN, torch
READ = """
nvidia/cuda:12.8.1-cudnn-devel-ubuntu20.04                          ubuntu20.04     2.31 -       12.8.1 9.8.0.87  -
docker.io/nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04              ubuntu22.04     2.35 -       12.4.1 9.1.0.70  -
index.docker.io/nvidia/cuda:12.6.3-runtime-amzn2023                 amzn2023        2.34 -       12.6.3 -         -
nvcr.io/nvidia/cuda:12.4.1-cudnn-devel-rockylinux9                  rockylinux9     2.34 -       12.4.1 9.1.0.70  -
nvcr.io/nvidia/cuda:12.8.1-base-oraclelinux8                        oraclelinux8    2.28 -       12.8.1 -         -
registry.example:5000/nvidia/cuda:12.1.1-base-ubi8                  ubi8            2.28 -       12.1.1 -         -
harbor.example/hub/nvidia/cuda:11.8.0-cudnn8-devel-centos7          centos7         2.17 -       11.8.0 8.9.6.50  -
nvidia/cuda:11.8.0-cudnn8-devel-ubuntu18.04                         ubuntu18.04     2.27 -       11.8.0 8.6.0.163 -
nvidia/cuda:11.0.3-cudnn8-devel-ubuntu16.04                         ubuntu16.04     2.23 -       11.0.3 8.0.5.39  -
nvidia/cuda:12.3.2-cudnn9-devel-ubi9                                ubi9            2.34 -       12.3.2 9.0.0.312 -
nvidia/cuda:12.6.0-cudnn-devel-ubuntu24.04                          ubuntu24.04     2.39 -       12.6.0 9.3.0.75  -
nvidia/cuda:12.9.0-base-azl3                                        azl3            2.38 -       12.9.0 -         -
nvidia/cuda:12.8.1-devel-cm2                                        cm2             2.35 -       12.8.1 -         -
nvidia/cuda:13.0.1-cudnn-devel-rockylinux10                         rockylinux10    2.39 -       13.0.1 9.13.0.50 -
nvidia/cuda:13.0.0-tensorrt-devel-ubuntu24.04                       ubuntu24.04     2.39 -       13.0.0 -         -
nvidia/cuda:13.0.2-devel-opensuse15                                 opensuse15      2.38 -       13.0.2 -         -
nvidia/cuda:13.2.1-cudnn-devel-ubuntu24.04                          ubuntu24.04     2.39 -       13.2.1 9         -
nvidia/cuda:12.1.1-devel-ubuntu22.04@sha256:0123                    ubuntu22.04     2.35 -       12.1.1 -         -
nvcr.io/nvidia/cuda-dl-base:25.03-cuda12.8-devel-ubuntu24.04        ubuntu24.04     2.39 -       12.8   9         -
python:3.12-alpine                                                  alpine          musl 3.12    -      -         -
python:3.12-alpine3.20                                              alpine3.20      musl 3.12    -      -         -
python:3.12-slim                                                    debian13        2.41 3.12    -      -         -
python:3.12                                                         debian13        2.41 3.12    -      -         -
python:3.11-bookworm                                                debian12        2.36 3.11    -      -         -
python:3.11.9-slim-bookworm                                         debian12        2.36 3.11.9  -      -         -
python:3.11.4-slim                                                  debian12        2.36 3.11.4  -      -         -
python:3.10.11-slim                                                 debian11        2.31 3.10.11 -      -         -
python:3.9-slim-bullseye                                            debian11        2.31 3.9     -      -         -
python:3.8.10-slim-buster                                           debian10        2.28 3.8.10  -      -         -
python:3.13-slim-trixie                                             debian13        2.41 3.13    -      -         -
python:slim-bookworm                                                debian12        2.36 -       -      -         -
library/python:3.10-slim-bookworm                                   debian12        2.36 3.10    -      -         -
docker.io/library/python:3.13.1-slim-bookworm                       debian12        2.36 3.13.1  -      -         -
public.ecr.aws/docker/library/python:3.12-slim-bookworm             debian12        2.36 3.12    -      -         -
mirror.gcr.io/library/python:3.14-slim                              debian13        2.41 3.14    -      -         -
debian                                                              debian13        2.41 -       -      -         -
python:3.13.99-slim                                                 debian13        2.41 3.13.99 -      -         -
python:3.15-slim                                                    debian13        2.41 3.15    -      -         -
localhost:5000/python:3.12.3                                        debian12        2.36 3.12.3  -      -         -
amd64/python:3.12-slim-bookworm                                     debian12        2.36 3.12    -      -         -
ubuntu:22.04                                                        ubuntu22.04     2.35 -       -      -         -
ubuntu:focal                                                        ubuntu20.04     2.31 -       -      -         -
ubuntu:jammy-20240808                                               ubuntu22.04     2.35 -       -      -         -
ubuntu:noble                                                        ubuntu24.04     2.39 -       -      -         -
ubuntu:18.04                                                        ubuntu18.04     2.27 -       -      -         -
ubuntu:xenial                                                       ubuntu16.04     2.23 -       -      -         -
public.ecr.aws/ubuntu/ubuntu:24.04                                  ubuntu24.04     2.39 -       -      -         -
debian:12                                                           debian12        2.36 -       -      -         -
debian:12-slim                                                      debian12        2.36 -       -      -         -
debian:12.5-slim                                                    debian12        2.36 -       -      -         -
debian:bookworm-20240513-slim                                       debian12        2.36 -       -      -         -
debian:buster                                                       debian10        2.28 -       -      -         -
debian:bullseye-slim                                                debian11        2.31 -       -      -         -
debian:trixie                                                       debian13        2.41 -       -      -         -
buildpack-deps:bookworm                                             debian12        2.36 -       -      -         -
registry.access.redhat.com/ubi9/ubi                                 ubi9            2.34 -       -      -         -
registry.access.redhat.com/ubi9/ubi-minimal:9.5                     ubi9            2.34 -       -      -         -
registry.access.redhat.com/ubi8:8.10                                ubi8            2.28 -       -      -         -
registry.access.redhat.com/ubi10/ubi                                ubi10           2.39 -       -      -         -
registry.access.redhat.com/ubi9/python-312                          ubi9            2.34 3.12    -      -         -
redhat/ubi9-minimal                                                 ubi9            2.34 -       -      -         -
rockylinux:9                                                        rockylinux9     2.34 -       -      -         -
rockylinux/rockylinux:9.3-minimal                                   rockylinux9     2.34 -       -      -         -
quay.io/rockylinux/rockylinux:8                                     rockylinux8     2.28 -       -      -         -
almalinux:8.10                                                      almalinux8      2.28 -       -      -         -
almalinux:9-minimal                                                 almalinux9      2.34 -       -      -         -
centos:7                                                            centos7         2.17 -       -      -         -
centos:centos7.9.2009                                               centos7         2.17 -       -      -         -
quay.io/centos/centos:stream9                                       centosstream9   2.34 -       -      -         -
oraclelinux:8-slim                                                  oraclelinux8    2.28 -       -      -         -
fedora:41                                                           fedora41        2.40 -       -      -         -
registry.fedoraproject.org/fedora:40                                fedora40        2.39 -       -      -         -
amazonlinux:2                                                       amazonlinux2    2.26 -       -      -         -
amazonlinux:2023.5.20240805.0                                       amazonlinux2023 2.34 -       -      -         -
public.ecr.aws/amazonlinux/amazonlinux:2023                         amazonlinux2023 2.34 -       -      -         -
alpine                                                              alpine          musl -       -      -         -
alpine:3.20.3                                                       alpine3.20      musl -       -      -         -
opensuse/leap:15.6                                                  opensuse15.6    2.38 -       -      -         -
gcr.io/distroless/python3-debian12                                  debian12        2.36 3.11.2  -      -         -
public.ecr.aws/lambda/python:3.12                                   amazonlinux2023 2.34 3.12    -      -         -
public.ecr.aws/lambda/python:3.11                                   amazonlinux2    2.26 3.11    -      -         -
mcr.microsoft.com/devcontainers/python:1-3.12-bookworm              debian12        2.36 3.12    -      -         -
ghcr.io/astral-sh/uv:python3.12-bookworm-slim                       debian12        2.36 3.12    -      -         -
ghcr.io/astral-sh/uv:0.5.4-python3.13-alpine                        alpine          musl 3.13    -      -         -
ghcr.io/astral-sh/uv:trixie-slim                                    debian13        2.41 -       -      -         -
mambaorg/micromamba:1.5.8-jammy-cuda-12.1.1                         ubuntu22.04     2.35 -       12.1.1 -         -
mambaorg/micromamba:2.0.5-debian12-slim                             debian12        2.36 -       -      -         -
pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime                       ubuntu22.04     2.35 3.11    12.8   9         2.9.1+cu128
pytorch/pytorch:2.3.1-cuda12.1-cudnn8-devel                         ubuntu22.04     2.35 3.10    12.1   8         2.3.1+cu121
pytorch/pytorch:2.1.2-cuda11.8-cudnn8-runtime                       ubuntu20.04     2.31 3.10    11.8   8         2.1.2+cu118
pytorch/pytorch:2.12.0-cuda13.2-cudnn9-devel                        ubuntu24.04     2.39 3.12    13.2   9         2.12.0+cu132
ghcr.io/pytorch/pytorch:2.6.0-cuda12.6-cudnn9-devel                 ubuntu22.04     2.35 3.11    12.6   9         2.6.0+cu126
pytorch/pytorch:2.15.0-cuda13.2-cudnn9-devel                        -               -    -       13.2   9         2.15.0+cu132
runpod/pytorch:2.1.1-py3.10-cuda12.1.1-devel-ubuntu22.04            ubuntu22.04     2.35 3.10    12.1.1 -         2.1.1
runpod/pytorch:2.7.0-py3.12-cuda12.8.1-cudnn-devel-ubuntu24.04      ubuntu24.04     2.39 3.12    12.8.1 9         2.7.0
runpod/pytorch:1.0.2-cu1281-torch260-ubuntu2404                     ubuntu24.04     2.39 3.12    12.8.1 9         2.6.0+cu126
runpod/pytorch:0.7.0-ubuntu2204-cu1241-torch260                     ubuntu22.04     2.35 -       12.4.1 9         2.6.0+cu124
runpod/pytorch:3.10-2.0.0-117                                       -               -    3.10    11.7   -         2.0.0+cu117
runpod/base:1.0.2-cuda1281-ubuntu2204                               ubuntu22.04     2.35 -       12.8.1 9         -
runpod/base:0.6.2-cuda12.4.1                                        -               -    -       12.4.1 -         -
nvcr.io/nvidia/pytorch:25.10-py3                                    ubuntu24.04     2.39 3.12    13.0.2 -         2.9.0a0+145a3a7bda
nvcr.io/nvidia/pytorch:24.07-py3                                    ubuntu22.04     2.35 3.10    12.5.1 -         2.4.0a0+3bcc3cddb5
rocm/pytorch:rocm6.4.1_ubuntu24.04_py3.12_pytorch_release_2.6.0     ubuntu24.04     2.39 3.12    -      -         2.6.0+rocm6.4
vllm/vllm-openai:v0.8.5                                             ubuntu22.04     2.35 3.12    -      -         2.6.0
763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker ubuntu22.04 2.35 3.11 12.4 - 2.5.1+cu124
763104351884.dkr.ecr.us-west-2.amazonaws.com/huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310-cu121-ubuntu20.04 ubuntu20.04 2.31 3.10 12.1 - 2.1.0+cu121
public.ecr.aws/deep-learning-containers/pytorch-training:2.6.0-cpu-py312-ubuntu22.04-ec2 ubuntu22.04 2.35 3.12 - - 2.6.0+cpu
us-docker.pkg.dev/deeplearning-platform-release/gcr.io/huggingface-pytorch-training-cu121.2-3.transformers.4-42.ubuntu2204.py310 ubuntu22.04 2.35 3.10 12.1 - -
"""


@pytest.mark.parametrize("line", READ.strip().splitlines(), ids=lambda line: line.split()[0])
def test_the_parts_of_a_name_are_read(line: str) -> None:
    image, *expected = line.split()
    row = facts.base_image(image)
    assert row is not None
    parts = (row.os, row.glibc, row.python, row.cuda, row.cudnn, row.torch)
    assert [part or "-" for part in parts] == expected
    assert facts.tag_violation(image) == ("", "")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("nvidia/cuda:12.8-runtime-ubuntu22.04", "its CUDA version 12.8 is not a full X.Y.Z"),
        ("nvidia/cuda:latest", "there is no `latest`"),
        ("nvidia/cuda", "there is no `latest`"),
        ("nvcr.io/nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04", "the suffix is -cudnn-, not -cudnn8-"),
        ("nvidia/cuda:12.4.1-cudnn-base-ubuntu22.04", "the variant base has no cuDNN"),
        ("nvidia/cuda:12.7.0-devel-ubuntu22.04", "no images of CUDA 12.7.0; near it: 12.6.0, 12.6.1, 12.8.0"),
        ("nvidia/cuda:12.4.2-devel-ubuntu22.04", "no images of CUDA 12.4.2"),
        ("nvidia/cuda:12.4.0-cudnn-devel-ubuntu22.04", "the variants base, devel, runtime, not cudnn-devel"),
        (
            "nvidia/cuda:13.0.0-devel-ubuntu20.04",
            "CUDA 13.0.0 has no images on ubuntu20.04, but on amzn2023, ",
        ),
        ("nvidia/cuda:12.1.1-devel-debian12", "has no images on debian12"),
        ("nvidia/cuda:12.1.1-devel-rockylinux10", "has no images on rockylinux10"),
        ("python:3.12-bookworm-slim", "<version>-slim-<distribution>: 3.12-slim-bookworm"),
        ("python:3.13-slim-buster", "no image of 3.13 on buster; it has bookworm, bullseye, trixie"),
        ("python:3.12.1-slim-trixie", "no image of 3.12.1 on trixie; it has bookworm, bullseye"),
        ("python:3.8.25-slim", "python 3.8.25 does not exist: the last release of 3.8 is 20"),
        ("ubuntu:22.05", "ubuntu has no release 22.05"),
        ("ubuntu:22.04-slim", "tags of ubuntu have no -slim"),
        ("rockylinux:7", "rockylinux has no release 7: its first is 8"),
        ("pytorch/pytorch:2.9.1-cuda12.1-cudnn9-runtime", "are of CUDA 12.6, 12.8, 13.0, not 12.1"),
        ("pytorch/pytorch:2.3.1-cuda12.1-cudnn9-runtime", "have cudnn8, not cudnn9"),
        ("pytorch/pytorch:2.9.7-cuda12.8-cudnn9-devel", "of its series there are 2.9.0, 2.9.1"),
        ("pytorch/pytorch:2.7.1-cudnn9", "tags of pytorch/pytorch are <torch>-cuda<X.Y>-cudnn<major>-"),
        ("runpod/pytorch:latest", "tags of runpod/pytorch are "),
        ("nvcr.io/nvidia/pytorch:latest", "tags of nvcr.io/nvidia/pytorch are <YY.MM>-py3"),
    ],
)
def test_a_name_of_no_image_is_refused_with_its_reason(image: str, reason: str) -> None:
    violation, citation = facts.tag_violation(image)
    assert reason in violation
    assert citation
    assert facts.base_image(image) is None


@pytest.mark.parametrize(
    "image",
    [
        "acme/python:3.12",
        "ghcr.io/acme/python:3.12",
        "acme/cuda:12.1.1-devel-ubuntu22.04",
        "example/own:1",
        "pytorch/pytorch:latest",
        "huggingface/transformers-pytorch-gpu:4.41.2",
        "ghcr.io/huggingface/text-generation-inference:3.3.4",
        "vllm/vllm-openai:latest",
        "nvcr.io/nvidia/pytorch:29.01-py3",
        "nvcr.io/nvidia/l4t-pytorch:r35.2.1-pth2.0-py3",
        "continuumio/miniconda3:24.1.2-0",
        "ghcr.io/astral-sh/uv:latest",
        "python:3.12-windowsservercore-ltsc2022",
        "ubuntu:99.04",
        "registry.access.redhat.com/ubi99/ubi",
        "$BASE",
        ":@/",
        "",
    ],
)
def test_a_name_that_says_nothing_is_neither_read_nor_refused(image: str) -> None:
    assert facts.base_image(image) is None
    assert facts.tag_violation(image) == ("", "")


@pytest.mark.parametrize(
    ("image", "listed", "moves"),
    [
        ("nvidia/cuda:12.8.1-devel-ubuntu22.04", True, False),
        ("nvidia/cuda:12.9.3-devel-ubuntu22.04", False, False),  # a patch that may have come after the list
        ("nvidia/cuda:13.3.0-base-ubuntu24.04", False, False),  # of this version not all tags are known
        ("nvidia/cuda:14.0.0-devel-ubuntu26.04", False, False),
        ("python:3.12.4-slim-bookworm", True, False),
        ("python:3.12.99-slim-bookworm", False, False),
        ("python:3.12-slim", True, True),
        ("python:3.15-rc-slim", False, True),
        ("ubuntu:latest", True, True),
        ("debian:12.99", False, False),
        ("pytorch/pytorch:2.9.1-cuda12.8-cudnn9-devel", True, False),
        ("pytorch/pytorch:2.0.1-cuda11.8-cudnn8-devel", False, False),
    ],
)
def test_what_the_facts_do_not_show_is_read_but_not_listed(image: str, listed: bool, moves: bool) -> None:
    row = facts.base_image(image)
    assert row is not None
    assert (row.listed, row.moves) == (listed, moves)


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "written"),
    [
        ("python", "", "python", "latest", "python"),
        ("docker.io/library/python:3.12", "", "python", "3.12", "docker.io/library/python"),
        ("host:5000/a/nvidia/cuda:1@sha256:0", "host:5000", "nvidia/cuda", "1", "host:5000/a/nvidia/cuda"),
        ("quay.io/centos/centos:stream9", "quay.io", "centos", "stream9", "quay.io/centos/centos"),
        ("acme/python:1", "", "acme/python", "1", "acme/python"),
    ],
)
def test_a_name_has_registry_repository_and_tag(
    text: str, registry: str, repository: str, tag: str, written: str
) -> None:
    name = facts.parse_image_name(text)
    assert (name.registry, name.repository, name.tag, name.written) == (registry, repository, tag, written)
