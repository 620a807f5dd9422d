"""Who reads each section of the tables: checks and rules by id, modules of torchpin, or nobody but people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.facts.load import Readers, Table

DOCUMENTATION = "documentation"
_READER = re.compile(r"[A-Z]{3}\d{3}|[a-z_]+(?:\.[a-z_]+)*")


def problems(tables: Mapping[str, Table], readers: Readers) -> Iterator[str]:
    """A message for each section or row of prose without a reader, and for each reader of none."""
    for name, table in tables.items():
        listed = readers.get(name) or {}
        for section, rows in table.items():
            prose = [row["id"] for row in rows if "fact" in row]
            yield from (
                f"{name}: {message}" for message in _section_problems(section, prose, listed.get(section))
            )
        yield from (
            f"{name}: {section} has readers, and is not a section of it"
            for section in sorted({*listed} - {*table})
        )
    yield from (f"{name} has readers, and is not a table" for name in sorted({*readers} - {*tables}))


def _section_problems(section: str, prose: Sequence[str], entry: Any) -> Iterator[str]:
    if entry is None:
        yield f"{section} has no reader: name the checks that read it, or say {DOCUMENTATION}"
    elif not prose:
        yield from _entry_problems(section, entry)
    elif not isinstance(entry, dict):
        yield f"{section} is prose: name the readers of each row by its id"
    else:
        for id in prose:
            if id not in entry:
                yield f"{section}: {id} has no reader: name the checks that read it, or say {DOCUMENTATION}"
        for id, readers in entry.items():
            if id not in prose:
                yield f"{section}: {id} has readers, and is not a row of it"
            yield from _entry_problems(f"{section}: {id}", readers)


def _entry_problems(label: str, entry: Any) -> Iterator[str]:
    if entry == DOCUMENTATION:
        return
    if not isinstance(entry, list) or not entry:
        yield f"{label}: the readers are {entry!r}, not a list of checks, nor {DOCUMENTATION}"
        return
    yield from (
        f"{label}: {name!r} is neither a check nor a module"
        for name in entry
        if not _READER.fullmatch(str(name))
    )
