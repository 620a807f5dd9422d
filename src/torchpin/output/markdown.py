"""Markdown for the comment of a change: the judge's results, and the differences of two states.

It quotes what others wrote, so all but quoted code is shown as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.checks.report import entries
from torchpin.checks.verdict_text import summary_sentence
from torchpin.controls import show_controls
from torchpin.documents.markdown import escape_bars
from torchpin.output.machine_readable import CHECKS_URL, place_of
from torchpin.queries.diff import download_change, download_total, named_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.model import Environment, Service
    from torchpin.queries.diff import Difference, ItemChange

_FOLDED_FROM = 10  # changed packages: more of them are folded away


def judgement_markdown(results: Sequence[Result], environments: Sequence[Environment]) -> Iterator[str]:
    """The verdict in words, then a table of the findings and unknowns that are not waived: what, where, what to do."""
    services = {env.name: env.service for env in environments}
    shown = [entry for entry in entries(results) if entry.kind != "waived"]
    yield prose_cell(summary_sentence(results))
    if shown:
        yield ""
    yield from findings_table(_finding_cells(entry, services) for entry in shown)


def differences_markdown(differences: Sequence[Difference]) -> Iterator[str]:
    """A part for each environment in which something changed: pins, GPUs and deviations, then the packages."""
    changed = [difference for difference in differences if not difference.is_empty]
    if not changed:
        yield "No environment changes."
    for number, difference in enumerate(changed):
        yield from ("",) * bool(number)
        yield f"### {prose_cell(difference.environment or 'the two records')}"
        yield ""
        yield from map(prose_cell, _facts(difference))
        if difference.baseline:
            rows = [(move.name, move.before, move.after) for move in difference.baseline]
            yield from ("", *_table(("What", "Before", "After"), rows))
        yield from _packages(difference.packages)


def _facts(difference: Difference) -> Iterator[str]:
    unknown = f"; {difference.unknown_sizes} files of unknown size" if difference.unknown_sizes else ""
    if difference.packages:
        yield f"- download: {download_total(difference)}{unknown}"
    for title, names in named_changes(difference).items():
        yield f"- {title}: {', '.join(names)}"
    for note in difference.notes:
        yield f"- {note}"


def _packages(changes: Sequence[ItemChange]) -> Iterator[str]:
    """The changed packages as a table, folded away where they are many."""
    rows = [(move.name, move.kind, move.before, move.after, download_change(move)) for move in changes]
    table = _table(("Package", "Change", "Before", "After", "Download"), rows)
    if len(rows) >= _FOLDED_FROM:
        yield from ("", f"<details><summary>{len(rows)} packages</summary>", "", *table, "", "</details>")
    elif rows:
        yield from ("", *table)


def findings_table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The table of findings, from cells that are escaped: the check with its level, place, what, help. Nothing without rows."""
    for number, cells in enumerate(rows):
        if number == 0:
            yield from ("| | Place | What | Help |", "| --- | --- | --- | --- |")
        yield f"| {' | '.join(cells)} |"


def check_cell(level: str, check_id: str) -> str:
    """The level of a finding and its check, which links to the page of checks."""
    return f"{level} [{check_id}]({CHECKS_URL}#{check_id.lower()})"


def _finding_cells(entry: Entry, services: Mapping[str, Service]) -> tuple[str, ...]:
    file, line, _ = place_of(entry, services[entry.environments[0]])
    return (
        check_cell(entry.kind, entry.check),
        code_cell(f"{file}:{line}" if line else file),
        prose_cell(f"{', '.join(entry.environments)}: {entry.message}"),
        prose_cell(entry.help),
    )


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"| {' | '.join('---' for _ in headers)} |"
    for row in rows:
        yield f"| {' | '.join(map(prose_cell, row))} |"


def code_cell(text: str) -> str:
    """A text as quoted code for a cell of a table; backticks become apostrophes."""
    return f"`{escape_bars(_one_line(text).replace('`', chr(39)))}`"


def prose_cell(text: str) -> str:
    """A text for a cell of a table, with its Markdown and HTML escaped; quoted code stays code."""
    parts = re.split(r"(`[^`]*`)", _one_line(text))
    return "".join(
        escape_bars(part) if part.startswith("`") else re.sub(r"([\\|*_~\[\]<>#!@])", r"\\\1", part)
        for part in parts
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s*[\r\n]\s*", " ", show_controls(text))
