"""The measured facts of a package as a document of JSON: equal runs of releases merged into ranges."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from torchpin.facts.measured import UNCLEAR
from torchpin.facts.ranges import format_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from torchpin.measure.release import Name, ReleaseFacts


def build_document(
    package: str, facts: Mapping[str, ReleaseFacts], *, measured: int, today: date
) -> dict[str, Any]:
    """The document of a package. `facts`: by release, the oldest first; `measured`: how many of them were read themselves."""
    releases = list(facts)
    return {
        "package": package,
        "method": "measured",
        "source": f"PyPI {package}: METADATA and Python files of {measured} of the {len(releases)} releases "
        f"{releases[0]} to {releases[-1]}",
        "date": today.isoformat(),
        "releases": releases,
        "python": _spans(facts, lambda row: [row.python] if row.python else []),
        "requires": _spans(facts, lambda row: row.requires),
        "cuda": _spans(facts, lambda row: row.cuda),
        "libraries": _spans(facts, lambda row: row.libraries),
        "imports": _imports(facts),
        "checks": _checks(facts),
        "names": _names(facts),
    }


def format_document(document: Mapping[str, Any]) -> str:
    """The document with a line for each row of its lists and mappings."""
    lines = []
    for key, value in document.items():
        if isinstance(value, (dict, list)) and value and key != "releases":
            rows = (
                [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in value.items()]
                if isinstance(value, dict)
                else [f"  {json.dumps(row)}" for row in value]
            )
            opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
            lines.append(f" {json.dumps(key)}: {opening}\n" + ",\n".join(rows) + f"\n {closing}")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _spans(
    facts: Mapping[str, ReleaseFacts], values: Callable[[ReleaseFacts], Iterable[str]]
) -> dict[str, str]:
    """Each value with the ranges of releases that have it."""
    members = _members(facts, values)
    releases = list(facts)
    return {value: format_ranges(releases, members[value]) for value in sorted(members)}


def _members(
    facts: Mapping[str, ReleaseFacts], values: Callable[[ReleaseFacts], Iterable[Any]]
) -> dict[Any, set[str]]:
    members: dict[Any, set[str]] = {}
    for release, row in facts.items():
        for value in values(row):
            members.setdefault(value, set()).add(release)
    return members


def _imports(facts: Mapping[str, ReleaseFacts]) -> list[dict[str, Any]]:
    """`{entry, file, module, names, in}`, with the names that a file imports of a module in the same releases together."""
    releases = list(facts)
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for (entry, file, module, name), members in _members(facts, lambda row: row.needs).items():
        groups.setdefault((entry, file, module, format_ranges(releases, members)), []).append(name)
    return [
        {"entry": entry, "file": file, "module": module, "names": sorted(names), "in": ranges}
        for (entry, file, module, ranges), names in sorted(groups.items())
    ]


def _checks(facts: Mapping[str, ReleaseFacts]) -> list[dict[str, str]]:
    """`{needs, raises, function, constant, file, entry, in}`, without what is empty."""
    releases = list(facts)
    keys = ("needs", "raises", "function", "constant", "file", "entry")
    return [
        {key: value for key, value in zip(keys, row, strict=True) if value}
        | {"in": format_ranges(releases, members)}
        for row, members in sorted(_members(facts, lambda row: row.checks).items())
    ]


def _names(facts: Mapping[str, ReleaseFacts]) -> dict[str, dict[str, list[str]]]:
    """Module to ranges to the names that these releases have; ranges with UNCLEAR before them: that is not known."""
    modules: dict[str, dict[str, list[str]]] = {}
    for (module, name), ranges in _name_ranges(facts):
        modules.setdefault(module, {}).setdefault(ranges, []).append(name)
    return {
        module: {ranges: sorted(names) for ranges, names in sorted(rows.items())}
        for module, rows in sorted(modules.items())
    }


def _name_ranges(facts: Mapping[str, ReleaseFacts]) -> Iterator[tuple[Name, str]]:
    """Each name with the ranges that have it, and again with those of which it is not known; "" where none has it."""
    releases = list(facts)
    imported_names = sorted({name for row in facts.values() for name in row.names})
    for name in imported_names:
        having = {release for release, row in facts.items() if row.names.get(name) is True}
        unclear = {release for release, row in facts.items() if row.names.get(name) is None}
        yield name, format_ranges(releases, having)
        if unclear:
            yield name, UNCLEAR + format_ranges(releases, unclear)


def stored_needs(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The needs that a document holds, as those of a release."""
    for row in document["imports"]:
        for name in row["names"]:
            yield row["entry"], row["file"], row["module"], name


def changed_lines(old: str, new: str) -> int:
    """How many lines of a text are not in an older one, but for the day."""
    lines: Sequence[str] = [line for line in new.splitlines() if not line.startswith(' "date"')]
    return len({*lines} - {*old.splitlines()})
