"""SARIF 2.1.0 of the judge and of `check`, as GitHub's code scanning takes it: every result has a place and a fingerprint."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from torchpin import __version__
from torchpin.checks.registry import REGISTRY
from torchpin.checks.report import entries
from torchpin.lint.baseline import match_key
from torchpin.output.machine_readable import CHECKS_URL, place_of, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.commands.check import CheckReport
    from torchpin.lint.matches import Edit, Match
    from torchpin.model import Environment, Service

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}
_PATH = re.compile(r"[^A-Za-z0-9._~/!$&'()*+,;=@-]")  # what a path of an address has as %XX (RFC 3986)
_FINGERPRINT = (
    "primaryLocationLineHash"  # the only one that GitHub reads: sixteen hexadecimal digits and a number
)


def sarif_document(results: Sequence[Result], environments: Sequence[Environment]) -> dict[str, Any]:
    """The judge's results: a result for each finding; waived ones are suppressed, unknown ones open.

    What is about an option (`--gpu B200`), or about a missing fact, stands at the line of `gpus:`, `driver:` or `torch:`.
    """
    services = {env.name: env.service for env in environments}
    rows = [_judged(entry, services[entry.environments[0]]) for entry in entries(results)]
    return _document(rows, sorted({result.check for result in results}))


def sarif_report(report: CheckReport) -> dict[str, Any]:
    """The findings of `check`; what a directive ignores is suppressed, what the baseline has unchanged."""
    result = report.result
    rows: list[tuple[Match, dict[str, Any]]] = [(match, {}) for match in result.matches]
    rows += [
        (match, {"suppressions": [{"kind": "inSource", "justification": directive.reason}]})
        for match, directive in result.ignored
    ]
    rows += [(match, {"baselineState": "unchanged"}) for match in result.known]
    return _document([{**_matched(match, result.texts), **extra} for match, extra in rows])


def _document(rows: Sequence[dict[str, Any]], ids: Sequence[str] = ()) -> dict[str, Any]:
    """One run with a rule for each of `ids` and for each that has a result, in their order."""
    ids = sorted({*ids, *(row["ruleId"] for row in rows)})
    driver = {
        "name": "torchpin",
        "version": __version__,
        "informationUri": CHECKS_URL,
        "rules": [_rule(id_) for id_ in ids],
    }
    results = [{**row, "ruleIndex": ids.index(row["ruleId"])} for row in _numbered(rows)]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _numbered(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The results with their fingerprints numbered, where several have the same."""
    counts: dict[str, int] = {}
    for row in rows:
        key = row["partialFingerprints"][_FINGERPRINT]
        counts[key] = counts.get(key, 0) + 1
        yield {**row, "partialFingerprints": {_FINGERPRINT: f"{key}:{counts[key]}"}}


def _rule(id_: str) -> dict[str, Any]:
    check = REGISTRY.get(id_)
    title, meaning, help_text = (check.title, check.meaning, check.help) if check else (id_, "", "")
    return {
        "id": id_,
        "shortDescription": {"text": title},
        "fullDescription": {"text": meaning or title},
        "help": {"text": help_text or title},
        "helpUri": f"{CHECKS_URL}#{id_.lower()}",
    }


def _judged(entry: Entry, service: Service) -> dict[str, Any]:
    file, line, column = place_of(entry, service)
    row: dict[str, Any] = {
        "ruleId": entry.check,
        # SARIF 2.1.0, 3.27.10: a result of another kind than `fail` has the level `none`.
        "level": "none" if entry.kind == "unknown" else _LEVELS[entry.level],
        "message": {"text": plain_text(entry)},
        "locations": [_location(file, line, column)],
        "partialFingerprints": {_FINGERPRINT: _digest(entry.check, file, entry.about or entry.message)},
    }
    if entry.kind == "unknown":
        row["kind"] = "open"
    if entry.waiver:
        justification = f"{entry.waiver.reason} (until {entry.waiver.review_by})"
        row["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return row


def _matched(match: Match, texts: Mapping[str, str]) -> dict[str, Any]:
    finding = match.finding
    row: dict[str, Any] = {
        "ruleId": match.id,
        "level": _LEVELS[finding.level],
        "message": {"text": f"{finding.message}\nhelp: {finding.help}" if finding.help else finding.message},
        "locations": [_location(*match.place)],
        "partialFingerprints": {_FINGERPRINT: _digest(*match_key(match, texts))},
    }
    if match.edits:
        title = "safe fix" if finding.fix_is_safe else "fix to review"
        row["fixes"] = [
            {"description": {"text": title}, "artifactChanges": [_change(edit) for edit in match.edits]}
        ]
    return row


def _change(edit: Edit) -> dict[str, Any]:
    end = edit.column + len(edit.before)
    region = {"startLine": edit.line, "startColumn": edit.column, "endLine": edit.line, "endColumn": end}
    replacement = {"deletedRegion": region, "insertedContent": {"text": edit.after}}
    return {"artifactLocation": {"uri": _uri(edit.file)}, "replacements": [replacement]}


def _location(file: str, line: int, column: int) -> dict[str, Any]:
    """A place in a file; without a line its first one, which GitHub asks for."""
    region = {"startLine": max(line, 1), "startColumn": max(column, 1)}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": region}}


def _uri(path: str) -> str:
    """A path as an address relative to the run's folder, or as one of a file."""
    quoted = _PATH.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode(errors="replace")), path
    )
    return f"file://{quoted}" if quoted.startswith("/") else quoted


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]
