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

CHECKS_URL = "https://github.com/torchpin/torchpin/blob/main/docs/CHECKS.md"
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def json_document(
    results: Sequence[Result], environments: Sequence[Environment], today: date, notices: Sequence[str] = ()
) -> dict[str, Any]:
    """`{version, today, notices, services: {name: verdict}, results: [{check, environment, status, findings, …}]}`."""
    return {
        "version": __version__,
        "today": today.isoformat(),
        "notices": list(notices),
        "services": verdicts(results, environments),
        "results": [asdict(result) for result in results],
    }


# --- places ----------------------------------------------------------------------------------------------------------


def parse_location(location: str) -> tuple[str, int, int]:
    """`file:line:column` in its parts; 0 for what is not told, and no file for an option of the command line."""
    if location.startswith("-"):
        return "", 0, 0
    parts = location.split(":")
    numbers = [int(part) for part in parts[1:3] if part.isdigit()]
    line, column = (*numbers, 0, 0)[:2]
    return parts[0], line, column


# --- SARIF 2.1.0 -----------------------------------------------------------------------------------------------------


def sarif_document(results: Sequence[Result]) -> dict[str, Any]:
    """One run: a rule a check, a result a finding; waived ones are suppressed, unknown ones are open notes."""
    ids = sorted({result.check for result in results})
    driver = {
        "name": "torchpin",
        "version": __version__,
        "informationUri": CHECKS_URL,
        "rules": [_sarif_rule(id_) for id_ in ids],
    }
    rows = [
        sarif_result for result in results for sarif_result in _sarif_results(result, ids.index(result.check))
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": rows}],
    }


def _sarif_rule(id_: str) -> dict[str, Any]:
    check = REGISTRY.get(id_)
    title, meaning, help_text = (check.title, check.meaning, check.help) if check else (id_, "", "")
    return {
        "id": id_,
        "shortDescription": {"text": title},
        "fullDescription": {"text": meaning or title},
        "help": {"text": help_text or title},
        "helpUri": f"{CHECKS_URL}#{id_.lower()}",
    }


def _sarif_results(result: Result, rule: int) -> Iterator[dict[str, Any]]:
    for finding in result.findings:
        yield _sarif_finding(result, rule, finding)
    for accepted in result.accepted:
        justification = f"{accepted.waiver.reason} (until {accepted.waiver.review_by})"
        yield {
            **_sarif_finding(result, rule, accepted.finding),
            "suppressions": [{"kind": "external", "status": "accepted", "justification": justification}],
        }
    for message in result.unknown:
        text = f"{result.environment}: unknown: {message}"
        yield {
            "ruleId": result.check,
            "ruleIndex": rule,
            "kind": "open",
            "level": "none",
            "message": {"text": text},
        }


def _sarif_finding(result: Result, rule: int, finding: Finding) -> dict[str, Any]:
    evidence = f"\nEvidence: {finding.evidence}" if finding.evidence else ""
    text = f"{result.environment}: {finding.message}\n{finding.help}{evidence}"
    sarif_result: dict[str, Any] = {
        "ruleId": result.check,
        "ruleIndex": rule,
        "level": finding.level,
        "message": {"text": text},
    }
    file, line, column = parse_location(finding.location)
    if file:
        region = {"region": {"startLine": line, "startColumn": max(column, 1)}} if line else {}
        sarif_result["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": file}, **region}}]
    return sarif_result


# --- GitHub ----------------------------------------------------------------------------------------------------------


def github_commands(results: Iterable[Result]) -> list[str]:
    """Workflow commands that annotate the lines of a change."""
    lines = []
    for result in results:
        lines += [
            _github_command(finding.level, result, finding.location, f"{finding.message}\n{finding.help}")
            for finding in result.findings
        ]
        lines += [
            _github_command(
                "notice",
                result,
                accepted.finding.location,
                f"waived until {accepted.waiver.review_by}: {accepted.finding.message}",
            )
            for accepted in result.accepted
        ]
        lines += [_github_command("notice", result, "", f"unknown: {message}") for message in result.unknown]
    return lines


def _github_command(kind: str, result: Result, location: str, message: str) -> str:
    file, line, column = parse_location(location)
    parts = {"file": file, "line": line, "col": column, "title": f"{result.check} {result.environment}"}
    properties = ",".join(f"{name}={_escape_property(str(value))}" for name, value in parts.items() if value)
    return f"::{kind} {properties}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
