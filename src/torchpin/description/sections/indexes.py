"""The indexes of packages that a service names, beside PyPI and the channels of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import CHANNEL, INDEX_URL, NAME
from torchpin.description.sections.addresses import refuse_credentials
from torchpin.description.shapes import Key, Record, Table, Text
from torchpin.model import Index

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAKEN = ("pypi", "python", "advisories", "torch")


def _refuse_taken_name(name: str) -> str:
    if CHANNEL.pattern.fullmatch(name) or name in _TAKEN:
        return f"{name!r} is the name of an address that torchpin knows; choose another name for the index"
    return ""


_refuse_credentials = refuse_credentials(
    ": it belongs in a netrc file or in `uv auth login`, or in the address of the mirror of this index"
)


_INDEX = Record(
    keys=(
        Key(
            name="url",
            shape=Text(rule=INDEX_URL, refuse=_refuse_credentials),
            doc="The address of the index (PEP 503), without credentials; TORCHPIN_MIRROR_<NAME> replaces it.",
            example="https://wheels.example.org/simple",
            required=True,
        ),
    )
)
INDEXES = Table(name=NAME, of=_INDEX, refuse_name=_refuse_taken_name)


def build_indexes(values: Mapping[str, Any]) -> tuple[Index, ...]:
    return tuple(Index(name=name, url=index["url"].rstrip("/")) for name, index in values.items())


def index_mapping(index: Index) -> dict[str, object]:
    return {"url": index.url}
