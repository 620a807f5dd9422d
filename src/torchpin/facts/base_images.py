"""Base images: what the grammar of their names, and rows where a name does not say it, tell of their contents."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts import cuda_images, distribution_images, python_images, torch_images
from torchpin.facts.image_names import OFFICIAL, ImageName, parse_image_name
from torchpin.facts.image_rows import FROM_NAME, UNREAD, Reading, table
from torchpin.facts.load import RawRow, build_row
from torchpin.facts.rows import BaseImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TAGS: dict[str, Callable[[str], Reading]] = {
    "astral-sh/uv": distribution_images.read_uv,
    "lambda/python": distribution_images.read_lambda,
    "mambaorg/micromamba": distribution_images.read_micromamba,
    "nvidia/cuda": cuda_images.read_cuda_tag,
    "nvidia/cuda-dl-base": cuda_images.read_dl_base_tag,
    "nvidia/pytorch": torch_images.read_ngc_tag,
    "opensuse/leap": distribution_images.read_leap,
    "python": python_images.read_python_tag,
    "pytorch/pytorch": torch_images.read_pytorch_tag,
    "rocm/pytorch": torch_images.read_rocm_tag,
    "runpod/base": torch_images.read_runpod_base_tag,
    "runpod/pytorch": torch_images.read_runpod_tag,
    "vllm/vllm-openai": torch_images.read_vllm_tag,
}
# Where a pattern matches registry/repository, the contents follow from both the repository and the tag.
_NAMES: tuple[tuple[str, Callable[[str, str], Reading]], ...] = (
    (r"[^/]*/(?:redhat/)?ubi\d", distribution_images.read_enterprise),
    (r"[^/]*/distroless/", distribution_images.read_distroless),
    (r"[^/]*/(?:.*/)?devcontainers/python$", distribution_images.read_devcontainer),
    (r"[^/]*\.amazonaws\.com/|[^/]*/deep-learning-containers/", torch_images.read_aws_tag),
    (r"[^/]*/deeplearning-platform-release/", torch_images.read_google_name),
)
_MAX_TAG = 128  # characters; registries accept no longer tag
_LISTED = {
    "pytorch/pytorch",
    "runpod/pytorch",
}  # repositories with rows of single tags, in sections of their owners


@cache
def base_image(image: str) -> BaseImage | None:
    """What is known of an image such as `nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04`; None: its name says nothing."""
    name = parse_image_name(image)
    reading = _read(name)
    if reading.row is None:
        return None
    row = {
        **reading.row,
        "image": image.partition("@")[0].removeprefix("docker.io/"),
        "repository": name.repository,
    }
    if not name.registry and (digest := _digests().get(name.original)):
        row |= {"digest": digest["digest"], "digest_source": digest["source"]}
    if row.get("withdrawn") and not name.is_published:  # a mirror may have kept it
        row |= {"withdrawn": False, "listed": False}
    return build_row(BaseImage, row)


def tag_violation(image: str) -> tuple[str, str]:
    """Why an image does not exist, and the source; two empty texts where it does, or where the facts do not say."""
    reading = _read(parse_image_name(image))
    return reading.violation, reading.citation


def image_description(image: str) -> str:
    """What an image is whose name does not say its contents; "" for one that is not in the facts."""
    repository = parse_image_name(image).repository
    return next((row["what"] for row in table()["described"] if row["repository"] == repository), "")


def _read(name: ImageName) -> Reading:
    if len(name.tag) > _MAX_TAG:
        return UNREAD
    reading = _read_tag(name)
    row = _rows().get(name.original)
    if row is None or reading.violation:
        return reading
    columns = {key: value for key, value in row.items() if value is not None}
    read = reading.row or {}
    source = f"{FROM_NAME}; {row['source']}"
    return Reading(row={**read, **columns, "listed": True, "source": source})


def _read_tag(name: ImageName) -> Reading:
    repository, tag = name.repository, name.tag
    if repository in _TAGS:
        return _TAGS[repository](tag)
    if repository in OFFICIAL:
        return distribution_images.read_distribution(repository, tag)
    reader = next(
        (read for pattern, read in _NAMES if re.match(pattern, f"{name.registry}/{repository}")), None
    )
    return reader(repository, tag) if reader else UNREAD


@cache
def _rows() -> Mapping[str, RawRow]:
    """The rows of single tags, by image."""
    return {
        f"{repository}:{row['tag']}": row
        for repository in sorted(_LISTED)
        for row in table()[repository.partition("/")[0]]
    }


@cache
def _digests() -> Mapping[str, RawRow]:
    """The recorded digests, by image: those of rows of single tags too."""
    recorded = {
        image: {**row, "source": row["source"]} for image, row in _rows().items() if row.get("digest")
    }
    return {**recorded, **{row["image"]: row for row in table()["digests"]}}


@cache
def base_images(prefix: str = "") -> tuple[BaseImage, ...]:
    """Every base image that the facts list and whose name begins with a prefix: of nvidia/cuda, of torch, and single tags."""
    names = (
        *(f"nvidia/cuda:{tag}" for row in table()["cuda"] for tag in cuda_images.row_tags(row)),
        *(f"pytorch/pytorch:{tag}" for tag in torch_images.pytorch_tags()),
        *_rows(),
    )
    images = (base_image(name) for name in dict.fromkeys(names) if name.startswith(prefix))
    return tuple(image for image in images if image is not None)
