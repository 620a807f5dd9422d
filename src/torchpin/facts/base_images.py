"""Base images: each tag in the facts, with the CUDA, cuDNN, Python and torch that it contains."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import RawRow, Table, build_row, load_table
from torchpin.facts.rows import BaseImage

if TYPE_CHECKING:
    from collections.abc import Mapping


def base_image(image: str) -> BaseImage | None:
    """The row of an image such as `nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04`; None: not in the facts."""
    return _bases().get(image.removeprefix("docker.io/").partition("@")[0])


def base_images() -> tuple[BaseImage, ...]:
    """Every base image in the facts."""
    return tuple(_bases().values())


@cache
def _bases() -> Mapping[str, BaseImage]:
    tables = load_table("base_images")
    rows = [row for cuda_row in tables["cuda"] for row in _cuda_images(cuda_row, tables)]
    rows += [
        {**row, "image": f"{name}/pytorch:{row['tag']}"}
        for name in ("pytorch", "runpod")
        for row in tables[name]
    ]
    rows += tables["plain"]
    systems = {
        row["os"]: {
            "apt_python": row.get("apt_python"),
            "glibc": row.get("glibc"),
            "os_ends": row.get("ends"),
        }
        for row in tables["systems"]
    }
    digests = {
        row["image"]: {"digest": row["digest"], "digest_source": row["source"]} for row in tables["digests"]
    }
    return {
        row["image"]: build_row(
            BaseImage, {**systems.get(row.get("os", ""), {}), **row, **digests.get(row["image"], {})}
        )
        for row in rows
    }


def _cuda_images(row: RawRow, tables: Table) -> list[RawRow]:
    cudnn_versions = {
        (cudnn_row["cuda"], cudnn_row["suffix"]): cudnn_row["cudnn"] for cudnn_row in tables["cudnn"]
    }
    images = []
    for variant in row["variants"]:
        suffix = variant.partition("-")[0]
        # Without a row of its own, the suffix gives the major version of cuDNN: `cudnn8` has 8.
        cudnn = cudnn_versions.get((row["cuda"], suffix)) or suffix.partition("cudnn")[2] or None
        on_hub = row.get("cudnn_devel_on_hub") if re.fullmatch(r"cudnn\d*-devel", variant) else None
        image = f"nvidia/cuda:{row['cuda']}-{variant}-{row['os']}"
        images.append({**row, "image": image, "variant": variant, "cudnn": cudnn, "on_hub": on_hub})
    return images
