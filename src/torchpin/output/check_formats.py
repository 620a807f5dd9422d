"""What `check` found, for programs: JSON, workflow commands of GitHub, and Markdown for a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.lint.result import UNPINNED
from torchpin.output.check_report import fixable_word, summary_line, unpinned_lines
from torchpin.output.machine_readable import (
    escape_data,
    escape_property,
)
from torchpin.output.markdown import check_cell, code_cell, findings_table, prose_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.commands.check import CheckReport
    from torchpin.lint.matches import Match


def json_report(report: CheckReport) -> dict[str, Any]:
    """`{summary, findings: [{rule, level, file, line, column, …}], ignored, known, stale, files, fixed, problems, skipped}`."""
    result = report.result
    return {
        "summary": summary_line(report),
        "findings": [_json_match(match) for match in result.matches],
        "ignored": [
            {**_json_match(match), "reason": directive.reason} for match, directive in result.ignored
        ],
        "known": [_json_match(match) for match in result.known],
        "stale": [
            {"rule": key[0], "file": key[1], "count": count} for key, count in sorted(result.stale.items())
        ],
        "files": [
            {"file": file, "packages": count, "unpinned": result.unpinned.get(file, 0)}
            for file, count in sorted(result.packages.items())
        ],
        "fixed": [_json_match(match) for match in report.fixed],
        "refused": [_json_match(match) for match in report.refused],
        "written": list(report.written),
        "diff": report.difference,
        "problems": list(report.problems),
        "skipped": list(report.skipped),
    }


def _json_match(match: Match) -> dict[str, Any]:
    file, line, column = match.place
    finding = match.finding
    return {
        "rule": match.id,
        "level": finding.level,
        "file": file,
        "line": line,
        "column": column,
        "message": finding.message,
        "help": finding.help,
        "evidence": finding.evidence,
        "about": finding.about,
        "fix": fixable_word(match),
    }


def _message(match: Match) -> str:
    help_text = f"\nhelp: {match.finding.help}" if match.finding.help else ""
    return f"{match.finding.message}{help_text}"


def github_report(report: CheckReport) -> Iterator[str]:
    """A workflow command a finding, and one a file for packages without a version: GitHub shows ten of a step."""
    for match in report.result.shown:
        file, line, column = match.place
        parts = {"file": file, "line": line, "col": column, "title": match.id}
        properties = ",".join(f"{name}={escape_property(str(part))}" for name, part in parts.items() if part)
        yield f"::{match.finding.level} {properties}::{escape_data(_message(match))}"
    for line_text, file in zip(unpinned_lines(report.result), report.result.unpinned, strict=True):
        yield f"::warning file={escape_property(file)},title={UNPINNED}::{escape_data(line_text)}"


def _finding_cells(match: Match) -> tuple[str, ...]:
    finding = match.finding
    return (
        check_cell(finding.level, match.id),
        code_cell(finding.location),
        prose_cell(finding.message),
        prose_cell(finding.help),
    )


def markdown_report(report: CheckReport) -> Iterator[str]:
    """A table for a comment: level, place, what, and what to do; then the packages without a version and the counts."""
    yield from findings_table(map(_finding_cells, report.result.shown))
    if report.result.shown:
        yield ""
    for line in unpinned_lines(report.result):
        yield f"- {prose_cell(line)}"
    if report.result.unpinned:
        yield ""
    yield prose_cell(summary_line(report))
