"""What the name of an image says, joined with what the table says of its system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import RawRow, Table, load_table

if TYPE_CHECKING:
    from collections.abc import Mapping

FROM_NAME = "read from the name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a grammar reads in a tag: a row, or why there is no such tag; neither where the facts do not say.

    `violation`: why the tag does not exist, with `citation`.
    """

    row: RawRow | None = None
    violation: str = ""
    citation: str = ""


UNREAD = Reading()


def table() -> Table:
    return load_table("base_images")


@cache
def systems() -> Mapping[str, RawRow]:
    """The rows of the distributions by their id, such as `ubuntu22.04`."""
    return {row["os"]: row for row in table()["systems"]}


def read_row(os: str | None, *sources: str, listed: bool, **columns: object) -> RawRow:
    """A row of what a name says, with C library, Python and end of life of its distribution.

    `listed`: whether the facts show that the tag exists.
    """
    system = systems().get(os or "", {})
    distinct = list(dict.fromkeys(text for text in (*sources, system.get("source", "")) if text))
    return {
        "os": os if system else None,
        "apt_python": system.get("apt_python"),
        "glibc": system.get("glibc"),
        "os_ends": system.get("ends"),
        "listed": listed,
        "source": "; ".join((FROM_NAME, *distinct)),
        "date": system.get("date") or table()["systems"][0]["date"],
        "method": "published",
        **columns,
    }


def within(version: str, bounds: list[int] | None) -> bool:
    """Whether the patch of a version `X.Y.Z` lies within bounds, both included."""
    patch = int(version.rpartition(".")[2])
    return bounds is not None and bounds[0] <= patch <= bounds[1]
