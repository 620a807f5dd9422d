"""The judge's results for programs: verdicts, one JSON document, SARIF, and the commands of a GitHub workflow."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin import __version__
from torchpin.checks.registry import REGISTRY
from torchpin.checks.run import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from torchpin.checks.registry import Result
    from torchpin.model import Environment, Finding

PAGE = "https://github.com/torchpin/torchpin/blob/main/docs/CHECKS.md"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(
    results: Sequence[Result], environments: Sequence[Environment], today: date, notices: Sequence[str] = ()
) -> dict[str, Any]:
    """`{version, today, notices, services: {name: verdict}, results: [{check, environment, status, findings, …}]}`."""
    return {
        "version": __version__,
        "today": today.isoformat(),
        "notices": list(notices),
        "services": verdicts(results, environments),
        "results": [asdict(row) for row in results],
    }


# --- places ----------------------------------------------------------------------------------------------------------


def place(where: str) -> tuple[str, int, int]:
    """`file:line:column` in its parts; 0 for what is not told, and no file for an option of the command line."""
    if where.startswith("-"):
        return "", 0, 0
    parts = where.split(":")
    numbers = [int(part) for part in parts[1:3] if part.isdigit()]
    line, column = (*numbers, 0, 0)[:2]
    return parts[0], line, column


# --- SARIF 2.1.0 -----------------------------------------------------------------------------------------------------


def sarif(results: Sequence[Result]) -> dict[str, Any]:
    """One run: a rule a check, a result a finding; waived ones are suppressed, unknown ones are open notes."""
    ids = sorted({row.check for row in results})
    driver = {
        "name": "torchpin",
        "version": __version__,
        "informationUri": PAGE,
        "rules": [_rule(id_) for id_ in ids],
    }
    rows = [one for row in results for one in _sarif_results(row, ids.index(row.check))]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": rows}]}


def _rule(id_: str) -> dict[str, Any]:
    one = REGISTRY.get(id_)
    title, meaning, remedy = (one.title, one.meaning, one.remedy) if one else (id_, "", "")
    return {
        "id": id_,
        "shortDescription": {"text": title},
        "fullDescription": {"text": meaning or title},
        "help": {"text": remedy or title},
        "helpUri": f"{PAGE}#{id_.lower()}",
    }


def _sarif_results(row: Result, rule: int) -> Iterator[dict[str, Any]]:
    for one in row.findings:
        yield _sarif_finding(row, rule, one)
    for each in row.accepted:
        words = f"{each.waiver.reason} (until {each.waiver.review_by})"
        yield {
            **_sarif_finding(row, rule, each.finding),
            "suppressions": [{"kind": "external", "status": "accepted", "justification": words}],
        }
    for message in row.unknown:
        text = f"{row.environment}: unknown: {message}"
        yield {
            "ruleId": row.check,
            "ruleIndex": rule,
            "kind": "open",
            "level": "none",
            "message": {"text": text},
        }


def _sarif_finding(row: Result, rule: int, one: Finding) -> dict[str, Any]:
    evidence = f"\nEvidence: {one.evidence}" if one.evidence else ""
    text = f"{row.environment}: {one.message}\n{one.remedy}{evidence}"
    found: dict[str, Any] = {
        "ruleId": row.check,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": text},
    }
    file, line, column = place(one.where)
    if file:
        region = {"region": {"startLine": line, "startColumn": max(column, 1)}} if line else {}
        found["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": file}, **region}}]
    return found


# --- GitHub ----------------------------------------------------------------------------------------------------------


def github(results: Iterable[Result]) -> list[str]:
    """Workflow commands that annotate the lines of a change."""
    lines = []
    for row in results:
        lines += [_command(one.level, row, one.where, f"{one.message}\n{one.remedy}") for one in row.findings]
        lines += [
            _command(
                "notice",
                row,
                each.finding.where,
                f"waived until {each.waiver.review_by}: {each.finding.message}",
            )
            for each in row.accepted
        ]
        lines += [_command("notice", row, "", f"unknown: {message}") for message in row.unknown]
    return lines


def _command(kind: str, row: Result, where: str, message: str) -> str:
    file, line, column = place(where)
    parts = {"file": file, "line": line, "col": column, "title": f"{row.check} {row.environment}"}
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in parts.items() if value)
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
