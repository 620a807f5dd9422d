"""The consistency of the table of torch's partners."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.facts.table_references import parses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.facts.load import RawRow, Table

_LEVELS = ("error", "warning", "notice")


def problems(table: Table, _: Mapping[str, Table]) -> Iterator[str]:
    """A message for each row that is no specifier of torch, names no version, or does not say what breaks."""
    for section in ("published", "declared"):
        named = Counter((row["package"], version) for row in table[section] for version in row["versions"])
        yield from (
            f"{section}: {' '.join(key)} occurs {count} times" for key, count in named.items() if count > 1
        )
        for row in table[section]:
            label = f"{section}: {row['package']} {row['torch']}"
            yield from (f"{label}: {message}" for message in _row_problems(row))
            if section == "published" and not row.get("because"):
                yield f"{label}: because is missing"


def _row_problems(row: RawRow) -> Iterator[str]:
    if not row["torch"] or not parses(SpecifierSet, row["torch"]):
        yield "not a specifier of torch"
    if row["package"] != canonicalize_name(row["package"]):
        yield f"{row['package']!r} is not a normalized name"
    if row.get("level", "error") not in _LEVELS:
        yield f"level is {row['level']!r}, not one of {', '.join(_LEVELS)}"
    if not row["versions"]:
        yield "versions is empty"
    yield from (
        f"{version!r} is not a version" for version in row["versions"] if not parses(Version, version)
    )
