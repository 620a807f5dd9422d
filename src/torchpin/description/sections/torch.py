"""torch and its companions."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from torchpin.description.patterns import COMPANION, ORIGIN, RELEASE
from torchpin.description.shapes import Key, Record, Table, Text
from torchpin.model import Torch

if TYPE_CHECKING:
    from collections.abc import Mapping


def _parse_release(text: str) -> Version:
    version = Version(text)
    if version.local:
        message = f"leave out +{version.local}, the channel decides the build"
        raise ValueError(message)
    return version


_RELEASE = Text(rule=RELEASE, parse=_parse_release)
TORCH = Record(
    keys=(
        Key(
            name="version",
            shape=_RELEASE,
            doc="The release of torch, without a local part: the channel of the variant decides the build.",
            example='"2.8.0"',
            required=True,
        ),
        Key(
            name="companions",
            shape=Table(name=COMPANION, of=_RELEASE),
            doc="The packages that are released with torch and come from its channel.",
            example='{torchvision: "0.23.0", torchaudio: "2.8.0"}',
        ),
        Key(
            name="from",
            shape=Text(rule=ORIGIN),
            doc="`index` installs torch from the channel; `base` takes the torch of the base image, which is verified and never installed.",
            example="base",
            default="index",
        ),
    )
)


def build_torch(values: Mapping[str, Any]) -> Torch:
    return Torch(
        version=values["version"],
        companions=values.get("companions") or MappingProxyType({}),
        origin=values.get("from", "index"),
    )


def torch_mapping(torch: Torch) -> dict[str, object]:
    return {
        "version": str(torch.version),
        "companions": {name: str(version) for name, version in torch.companions.items()},
        "from": "base" if torch.origin == "base" else None,
    }
