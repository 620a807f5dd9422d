"""The judge's results for programs: a JSON document, SARIF 2.1.0, and workflow commands of GitHub."""

from __future__ import annotations

from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torchpin import __version__, paths
from torchpin.checks.registry import REGISTRY
from torchpin.checks.report import entries
from torchpin.checks.run import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment

CHECKS_URL = f"https://github.com/torchpin/torchpin/blob/main/{paths.CHECKS}"
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
SARIF_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}
_GITHUB_LEVELS = {
    "error": "error",
    "warning": "warning",
    "notice": "notice",
    "unknown": "notice",
    "waived": "notice",
}


def json_document(
    results: Sequence[Result],
    environments: Sequence[Environment],
    today: date,
    notices: Sequence[str] = (),
    shares: Mapping[str, PackageShare] = MappingProxyType({}),
) -> dict[str, Any]:
    """`{version, today, notices, services: {name: verdict}, packages: {environment: {all, measured}}, results: [{check,
    environment, status, findings, …}]}`; `packages` counts those of which facts were measured."""
    return {
        "version": __version__,
        "today": today.isoformat(),
        "notices": list(notices),
        "services": verdicts(results, environments),
        "packages": {
            name: {"all": len(share.packages), "measured": len(share.measured)}
            for name, share in shares.items()
        },
        "results": [asdict(result) for result in results],
    }


def parse_location(location: str) -> tuple[str, int, int]:
    """`file:line:column` as its parts: 0 for a missing number, and no file for a command line option (`--gpu B200`)."""
    if location.startswith("-"):
        return "", 0, 0
    parts = location.split(":")
    numbers = [int(part) for part in parts[1:3] if part.isdigit()]
    line, column = (*numbers, 0, 0)[:2]
    return parts[0], line, column


def sarif_document(results: Sequence[Result]) -> dict[str, Any]:
    """One run with a rule for each check and a result for each finding; waived ones are suppressed, unknown ones open."""
    ids = sorted({result.check for result in results})
    driver = {
        "name": "torchpin",
        "version": __version__,
        "informationUri": CHECKS_URL,
        "rules": [sarif_rule(id_) for id_ in ids],
    }
    rows = [_sarif_result(entry, ids.index(entry.check)) for entry in entries(results)]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": rows}],
    }


def sarif_rule(id_: str) -> dict[str, Any]:
    check = REGISTRY.get(id_)
    title, meaning, help_text = (check.title, check.meaning, check.help) if check else (id_, "", "")
    return {
        "id": id_,
        "shortDescription": {"text": title},
        "fullDescription": {"text": meaning or title},
        "help": {"text": help_text or title},
        "helpUri": f"{CHECKS_URL}#{id_.lower()}",
    }


def _sarif_result(entry: Entry, rule: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ruleId": entry.check,
        "ruleIndex": rule,
        # SARIF 2.1.0, 3.27.10: a result of another kind than `fail` has the level `none`.
        "level": "none" if entry.kind == "unknown" else SARIF_LEVELS[entry.level],
        "message": {"text": _plain_text(entry)},
    }
    if entry.kind == "unknown":
        row["kind"] = "open"
    if entry.waiver:
        justification = f"{entry.waiver.reason} (until {entry.waiver.review_by})"
        row["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    file, line, column = parse_location(entry.location)
    if file:
        # SARIF counts lines and columns from 1; a location without a column is of the whole line.
        region = {"region": {"startLine": line, "startColumn": max(column, 1)}} if line else {}
        row["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": file}, **region}}]
    return row


def _plain_text(entry: Entry) -> str:
    """`ENVIRONMENTS: message`, then help and evidence on lines of their own."""
    details = [f"help: {entry.help}"] if entry.help else []
    details += [f"evidence: {entry.evidence}"] if entry.evidence else []
    return "\n".join([f"{', '.join(entry.environments)}: {entry.message}", *details])


def github_commands(results: Iterable[Result]) -> list[str]:
    """Workflow commands that annotate the lines of a change."""
    return [_github_command(entry) for entry in entries(results)]


def _github_command(entry: Entry) -> str:
    kind, message = _GITHUB_LEVELS[entry.kind], _plain_text(entry)
    if entry.kind == "unknown":
        message = f"unknown: {message}"
    if entry.waiver:
        message = f"waived until {entry.waiver.review_by}: {message}"
    file, line, column = parse_location(entry.location)
    parts = {"file": file, "line": line, "col": column, "title": entry.check}
    properties = ",".join(f"{name}={escape_property(str(part))}" for name, part in parts.items() if part)
    return f"::{kind} {properties}::{escape_data(message)}"


def escape_data(text: str) -> str:
    # As actions/toolkit's command.ts does; the percent sign first, which the other escapes contain.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
