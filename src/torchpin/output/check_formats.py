"""What `check` found, for programs: JSON, SARIF 2.1.0, workflow commands of GitHub, and Markdown for a comment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin import __version__
from torchpin.controls import show_controls
from torchpin.lint.baseline import match_key
from torchpin.lint.result import UNPINNED
from torchpin.output.check_report import fixable_word, summary_line, unpinned_lines
from torchpin.output.machine_readable import (
    CHECKS_URL,
    SARIF_LEVELS,
    SARIF_SCHEMA,
    escape_data,
    escape_property,
    sarif_rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.commands.check import CheckReport
    from torchpin.lint.matches import Edit, Match
    from torchpin.lint.result import LintResult

_FINGERPRINT = "torchpinLine/v1"
_PATH = re.compile(r"[^A-Za-z0-9._~/!$&'()*+,;=@-]")  # what a path of an address has as %XX (RFC 3986)


def json_report(report: CheckReport) -> dict[str, Any]:
    """`{version, summary, findings: [{rule, level, file, line, column, …}], ignored, known, stale, files, fixed, problems, skipped}`."""
    result = report.result
    return {
        "version": __version__,
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


def sarif_report(report: CheckReport) -> dict[str, Any]:
    """One run: a rule for each id that has a result; what a directive ignores is suppressed, what the baseline has unchanged."""
    result = report.result
    rows: list[tuple[Match, dict[str, Any]]] = [(match, {}) for match in result.matches]
    rows += [
        (match, {"suppressions": [{"kind": "inSource", "justification": directive.reason}]})
        for match, directive in result.ignored
    ]
    rows += [(match, {"baselineState": "unchanged"}) for match in result.known]
    ids = sorted({match.id for match, _ in rows})
    fingerprints = _Fingerprints(result)
    results = [
        {**_sarif_result(match, ids.index(match.id)), **fingerprints.of(match), **extra}
        for match, extra in rows
    ]
    driver = {
        "name": "torchpin",
        "version": __version__,
        "informationUri": CHECKS_URL,
        "rules": [sarif_rule(id_) for id_ in ids],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


class _Fingerprints:
    """What stays of a result while lines move: rule, file and text of the line, numbered where several are the same."""

    def __init__(self, result: LintResult) -> None:
        self._texts, self._counts = result.texts, dict[tuple[str, str, str], int]()

    def of(self, match: Match) -> dict[str, Any]:
        key = match_key(match, self._texts)
        number = self._counts[key] = self._counts.get(key, 0) + 1
        return {"partialFingerprints": {_FINGERPRINT: f"{key[0]}:{key[2]}:{number}"}}


def _sarif_result(match: Match, rule: int) -> dict[str, Any]:
    file, line, column = match.place
    row: dict[str, Any] = {
        "ruleId": match.id,
        "ruleIndex": rule,
        "level": SARIF_LEVELS[match.finding.level],
        "message": {"text": _message(match)},
    }
    region = {"region": {"startLine": line, "startColumn": max(column, 1)}} if line else {}
    row["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, **region}}]
    if match.edits:
        title = "safe fix" if match.finding.fix_is_safe else "fix to review"
        row["fixes"] = [
            {"description": {"text": title}, "artifactChanges": [_sarif_change(edit) for edit in match.edits]}
        ]
    return row


def _sarif_change(edit: Edit) -> dict[str, Any]:
    end = edit.column + len(edit.before)
    region = {"startLine": edit.line, "startColumn": edit.column, "endLine": edit.line, "endColumn": end}
    replacement = {"deletedRegion": region, "insertedContent": {"text": edit.after}}
    return {"artifactLocation": {"uri": _uri(edit.file)}, "replacements": [replacement]}


def _uri(path: str) -> str:
    """A path as an address relative to the run's folder, or as one of a file."""
    quoted = _PATH.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode(errors="replace")), path
    )
    return f"file://{quoted}" if quoted.startswith("/") else quoted


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


def markdown_report(report: CheckReport) -> Iterator[str]:
    """A table for a comment: level, place, what, and what to do; then the packages without a version and the counts."""
    shown = report.result.shown
    if shown:
        yield "| | Place | What | Help |"
        yield "| --- | --- | --- | --- |"
    for match in shown:
        address = f"{CHECKS_URL}#{match.id.lower()}"
        cells = (match.finding.message, match.finding.help)
        place = f"`{_cell(match.finding.location).replace('`', chr(39))}`"
        yield f"| {match.finding.level} [{match.id}]({address}) | {place} | {' | '.join(map(_prose_cell, cells))} |"
    if shown:
        yield ""
    for line in unpinned_lines(report.result):
        yield f"- {_prose_cell(line)}"
    if report.result.unpinned:
        yield ""
    yield _prose_cell(summary_line(report))


def _cell(text: str) -> str:
    """A text on one line, with its controls visible and its bars escaped."""
    return re.sub(r"\s*[\r\n]\s*", " ", show_controls(text)).replace("|", "\\|")


def _prose_cell(text: str) -> str:
    """A text whose own Markdown and HTML, but for quoted code, is shown as it is: it quotes files that others wrote."""
    parts = re.split(r"(`[^`]*`)", _cell(text))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_~\[\]<>#!@])", r"\\\1", part) for part in parts
    )
