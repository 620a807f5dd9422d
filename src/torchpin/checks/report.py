"""Entries of a report: each finding and each unknown once, with the environments that have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.checks.registry import Result
    from torchpin.model import Finding, Level, Waiver

EntryKind = Literal["error", "warning", "unknown", "notice", "waived"]
_ORDER: tuple[EntryKind, ...] = ("error", "warning", "unknown", "notice", "waived")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One finding or one unknown, in the form that every output format shows."""

    kind: EntryKind
    check: str
    title: str
    message: str
    about: str = ""
    level: Level = "error"  # that of the finding, also where it is waived
    location: str = ""  # file:line:column; "" for an unknown that has no place
    help: str = ""
    evidence: str = ""
    waiver: Waiver | None = None
    environments: tuple[str, ...] = ()


def entries(results: Iterable[Result]) -> tuple[Entry, ...]:
    """Every finding and every unknown of the results once: errors first, else in the order of the results."""
    # Without its environments an entry is hashable and the same in all of them, so equal ones merge.
    environments: dict[Entry, list[str]] = {}
    for result in results:
        for entry in _entries_of(result):
            environments.setdefault(entry, []).append(result.environment)
    merged = [
        replace(entry, environments=tuple(dict.fromkeys(names))) for entry, names in environments.items()
    ]
    return tuple(sorted(merged, key=lambda entry: _ORDER.index(entry.kind)))


def _entries_of(result: Result) -> Iterator[Entry]:
    for finding in (*result.findings, *result.notices):
        yield _entry(result, finding, finding.level)
    for accepted in result.accepted:
        yield _entry(result, accepted.finding, "waived", accepted.waiver)
    located = {unknown.message: unknown for unknown in result.located}
    for message in result.unknown:
        entry = Entry(kind="unknown", check=result.check, title=result.title, message=message)
        unknown = located.get(message)
        yield replace(entry, location=unknown.location, help=unknown.help) if unknown else entry


def _entry(result: Result, finding: Finding, kind: EntryKind, waiver: Waiver | None = None) -> Entry:
    return Entry(
        kind=kind,
        check=result.check,
        title=result.title,
        message=finding.message,
        about=finding.about,
        level=finding.level,
        location=finding.location,
        help=finding.help,
        evidence=finding.evidence,
        waiver=waiver,
    )


def errors_text(results: Iterable[Result]) -> str:
    """The open errors of results as the lines of an error message, each with its check and its help, once."""
    lines = (
        f"error[{entry.check}] {entry.location}: {entry.message}\n  help: {entry.help}"
        for entry in entries(results)
        if entry.kind == "error"
    )
    return "\n".join(lines)


def findings_text(findings: Iterable[tuple[str, Finding]]) -> str:
    """Findings with the ids of their checks as the lines of an error message, each with its help below it."""
    return "\n".join(
        f"error[{check_id}] {finding.location}: {finding.message}\n  help: {finding.help}"
        for check_id, finding in findings
    )
