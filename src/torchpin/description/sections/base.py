"""The base image of a service or a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import DIGEST, IMAGE, PROSE
from torchpin.description.shapes import Key, Record, Text
from torchpin.model import Base

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = Record(
    keys=(
        Key(
            name="image",
            shape=Text(rule=IMAGE),
            doc="The image that the service's image is built from, by name and tag.",
            example="nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04",
            required=True,
        ),
        Key(
            name="digest",
            shape=Text(rule=DIGEST),
            doc="The digest of the image; without it the tag can be moved to another image, which is a finding.",
            example=f"sha256:{'0f' * 32}",
        ),
        Key(
            name="rationale",
            shape=Text(rule=PROSE),
            doc="Why this base image; printed on the page of the service.",
            example="nothing is compiled with nvcc, so the runtime image is enough",
        ),
    )
)


def build_base(values: Mapping[str, Any]) -> Base:
    return Base(**values)


def base_mapping(base: Base) -> dict[str, object]:
    return {"image": base.image, "digest": base.digest, "rationale": base.rationale}
