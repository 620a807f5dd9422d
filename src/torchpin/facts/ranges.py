"""Ranges of a package's releases as text: `1.2.0..1.4.1, 2.0.0`, `*` for all of them, "" for none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

ALL = "*"
_BETWEEN = ".."


def format_ranges(releases: Sequence[str], members: Collection[str]) -> str:
    """The ranges of those releases that are members; `releases` in ascending order."""
    if releases and all(release in members for release in releases):
        return ALL
    return ", ".join(
        first if first == last else f"{first}{_BETWEEN}{last}" for first, last in _runs(releases, members)
    )


def _runs(releases: Sequence[str], members: Collection[str]) -> Iterator[tuple[str, str]]:
    run: list[str] = []
    for release in releases:
        if release in members:
            run.append(release)
        elif run:
            yield run[0], run[-1]
            run = []
    if run:
        yield run[0], run[-1]


def in_ranges(ranges: str, version: Version) -> bool:
    """Whether a version lies in ranges; `*` and "" are every version and none. Raises ValueError for no ranges."""
    return ranges == ALL or any(first <= version <= last for first, last in parse_ranges(ranges))


@cache
def parse_ranges(ranges: str) -> tuple[tuple[Version, Version], ...]:
    """The first and last version of each range; empty for `*` and "". Raises ValueError for no ranges."""
    bounds = []
    for part in ranges.split(", ") if ranges not in {"", ALL} else ():
        first, _, last = part.partition(_BETWEEN)
        try:
            bounds.append((Version(first), Version(last or first)))
        except InvalidVersion:
            message = f"{part!r} is not a range of versions"
            raise ValueError(message) from None
    return tuple(bounds)
