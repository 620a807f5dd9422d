"""The judge's results for programs: a JSON document, and workflow commands of GitHub."""

from __future__ import annotations

from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.checks.report import entries
from torchpin.checks.run import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from torchpin.checks.registry import Result
    from torchpin.checks.report import Entry
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment, Service

CHECKS_URL = f"{paths.PUBLISHED}/{paths.CHECKS}"
_GPU_KEYS = ("gpus", "torch")
_KEYS = {"GPU001": _GPU_KEYS, "GPU002": ("driver", *_GPU_KEYS), "GPU003": _GPU_KEYS, "GPU004": _GPU_KEYS}
_GITHUB_LEVELS = {
    "error": "error",
    "warning": "warning",
    "notice": "notice",
    "unknown": "notice",
    "waived": "notice",
}


def judge_fields(
    results: Sequence[Result],
    environments: Sequence[Environment],
    today: date,
    notices: Sequence[str] = (),
    shares: Mapping[str, PackageShare] = MappingProxyType({}),
) -> dict[str, Any]:
    """`{today, notices, services: {name: verdict}, packages: {environment: {all, measured}}, results: [{check,
    environment, status, findings, …}]}`; `packages` counts those of which facts were measured."""
    return {
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


def plain_text(entry: Entry) -> str:
    """`ENVIRONMENTS: message`, then help and evidence on lines of their own."""
    details = [f"help: {entry.help}"] if entry.help else []
    details += [f"evidence: {entry.evidence}"] if entry.evidence else []
    return "\n".join([f"{', '.join(entry.environments)}: {entry.message}", *details])


def place_of(entry: Entry, service: Service) -> tuple[str, int, int]:
    """The file, line and column of an entry in a description.

    One without a place of its own, about an option (`--gpu B200`) or a missing fact, stands at `gpus:`, `driver:` or `torch:`.
    """
    file, line, column = parse_location(entry.location)
    if file:
        return file, line, column
    keys = _KEYS.get(entry.check, ("torch",))
    return parse_location(service.location(next((key for key in keys if key in service.positions), "")))


def github_commands(results: Iterable[Result], environments: Iterable[Environment]) -> list[str]:
    """Workflow commands that annotate the lines of a change."""
    services = {env.name: env.service for env in environments}
    return [_github_command(entry, services[entry.environments[0]]) for entry in entries(results)]


def _github_command(entry: Entry, service: Service) -> str:
    kind, message = _GITHUB_LEVELS[entry.kind], plain_text(entry)
    if entry.kind == "unknown":
        message = f"unknown: {message}"
    if entry.waiver:
        message = f"waived until {entry.waiver.review_by}: {message}"
    file, line, column = place_of(entry, service)
    parts = {"file": file, "line": line, "col": column, "title": entry.check}
    properties = ",".join(f"{name}={escape_property(str(part))}" for name, part in parts.items() if part)
    return f"::{kind} {properties}::{escape_data(message)}"


def escape_data(text: str) -> str:
    # As actions/toolkit's command.ts does; the percent sign first, which the other escapes contain.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
