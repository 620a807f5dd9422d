"""Names of images: registry, repository, tag and digest, and the repository that a mirror's name stands for."""

from __future__ import annotations

from dataclasses import dataclass

_DOCKER_HUB = {"", "docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
# Docker Official Images: on Docker Hub their names have one part.
OFFICIAL = {
    "alpine", "almalinux", "amazonlinux", "buildpack-deps", "centos", "debian", "fedora", "oraclelinux", "python",
    "rockylinux", "ubuntu",
}  # fmt: skip
_ARCHITECTURES = {"amd64", "arm64v8"}  # owners of Docker Official Images for one architecture
# Repositories of two parts that are named alike on other registries and mirrors.
_OWNED = {
    "astral-sh/uv", "astral/uv", "condaforge/mambaforge", "condaforge/miniforge3", "continuumio/anaconda3",
    "continuumio/miniconda3", "deepspeed/deepspeed", "huggingface/transformers-pytorch-gpu",
    "huggingface/text-generation-inference", "lambda/python", "mambaorg/micromamba", "nvidia/cuda",
    "nvidia/cuda-dl-base", "nvidia/l4t-base", "nvidia/l4t-cuda", "nvidia/l4t-jetpack", "nvidia/l4t-ml",
    "nvidia/l4t-pytorch", "nvidia/pytorch", "opensuse/leap", "pytorch/pytorch", "rocm/pytorch", "rocm/vllm",
    "runpod/base", "runpod/nvidia-pytorch", "runpod/pytorch", "vllm/vllm-openai",
}  # fmt: skip
_ALIASES = {
    "almalinuxorg/almalinux": "almalinux",
    "amazonlinux/amazonlinux": "amazonlinux",
    "astral/uv": "astral-sh/uv",
    "centos/centos": "centos",
    "debian/debian": "debian",
    "rockylinux/rockylinux": "rockylinux",
    "ubuntu/ubuntu": "ubuntu",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """The parts of an image's name. `registry` is "" for Docker Hub; `repository` is that of the original.

    `written`: the name as it was written, without tag and digest; `tag` is `latest` where none is written.
    """

    registry: str
    repository: str
    tag: str
    digest: str
    written: str

    @property
    def original(self) -> str:
        """The name that tables list the image under: `nvidia/cuda:12.1.1-devel-ubuntu22.04`, whatever the registry."""
        return f"{self.repository}:{self.tag}"

    def with_tag(self, tag: str) -> str:
        """The name as it was written, with another tag and no digest."""
        return f"{self.written}:{tag}"

    @property
    def is_published(self) -> bool:
        """Whether the registry is one that the image's own publisher uses, not a copy that may keep deleted tags."""
        return self.registry in {"", "nvcr.io", "public.ecr.aws", "quay.io", "ghcr.io"}


def parse_image_name(text: str) -> ImageName:
    """The parts of a name such as `registry.example:5000/library/python:3.12-slim@sha256:…`."""
    without_digest, _, digest = text.strip().partition("@")
    head, slash, tail = without_digest.partition("/")
    has_registry = bool(slash) and ("." in head or ":" in head or head == "localhost")
    registry, path = (head, tail) if has_registry else ("", without_digest)
    folder, slash, name = path.rpartition("/")
    name, _, tag = name.partition(":")
    path = f"{folder}{slash}{name}"
    registry = "" if registry in _DOCKER_HUB else registry
    return ImageName(
        registry=registry,
        repository=_repository(registry, path),
        tag=tag or "latest",
        digest=digest,
        written=f"{head}/{path}" if has_registry else path,
    )


def _repository(registry: str, path: str) -> str:
    """The repository that a path stands for: of its original where the name shows it, else the path itself."""
    parts = path.split("/")
    pair = "/".join(parts[-2:])
    if pair in _ALIASES and (registry or len(parts) == len(pair.split("/"))):
        return _ALIASES[pair]
    if registry and pair in _OWNED:
        return pair
    official = parts[-1] in OFFICIAL
    # A one-part name below an owner is the owner's own image: `acme/python` says nothing of Python.
    if official and (
        len(parts) == 1 or parts[-2] == "library" or (not registry and parts[0] in _ARCHITECTURES)
    ):
        return parts[-1]
    return path
