"""The variants of a service: one environment each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import CHANNEL, NAME, PLATFORM
from torchpin.description.sections.base import BASE, base_mapping, build_base
from torchpin.description.shapes import Key, Record, Table, Text
from torchpin.model import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIANT = Record(
    keys=(
        Key(
            name="channel",
            shape=Text(rule=CHANNEL),
            doc="The index that torch's family comes from: `cu128`, `cpu`, or `pypi` for PyPI's own build.",
            example="cu128",
            required=True,
        ),
        Key(
            name="platform",
            shape=Text(rule=PLATFORM),
            doc="The platform of the image.",
            example="linux/amd64",
            required=True,
        ),
        Key(name="base", shape=BASE, doc="A base image of its own, instead of the service's."),
    )
)
VARIANTS = Table(
    name=NAME, of=_VARIANT, expected="variant, such as gpu: {channel: cu121, platform: linux/amd64}"
)


def build_variants(values: Mapping[str, Any]) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            name=name,
            channel=variant["channel"],
            platform=variant["platform"],
            base=build_base(variant["base"]) if "base" in variant else None,
        )
        for name, variant in values.items()
    )


def variant_mapping(variant: Variant) -> dict[str, object]:
    return {
        "channel": variant.channel,
        "platform": variant.platform,
        "base": base_mapping(variant.base) if variant.base else None,
    }
