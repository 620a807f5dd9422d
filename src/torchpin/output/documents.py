"""JSON documents: what each task prints with `--json` begins with the same three keys (docs/JSON.md)."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin import __version__
from torchpin.output.console import redacted
from torchpin.output.volume import task_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.commands.report import CommandReport
    from torchpin.model import Outcome

SCHEMA = 1  # goes up where a key is removed, renamed, or means something else; not where one is added


def print_json(value: Any) -> None:
    redacted(sys.stdout).write(json.dumps(value, indent=1, default=str) + "\n")


def print_document(fields: Mapping[str, Any]) -> None:
    """One document: which torchpin, which schema and which command, then the command's own keys."""
    print_json({"torchpin": __version__, "schema": SCHEMA, "command": task_name(), **fields})


def print_report_document(report: CommandReport) -> None:
    """Outcomes and results of checks, messages that belong to no check, and the last line."""
    print_document(
        {
            "summary": report.summary,
            "notices": list(report.notices),
            "outcomes": [asdict(outcome) for outcome in report.outcomes],
            "results": [asdict(result) for result in report.results or ()],
        }
    )


def print_outcome_events(rows: Iterable[Outcome]) -> None:
    """A JSON object a line: the last events of `build --progress json`."""
    for row in rows:
        redacted(sys.stdout).write(json.dumps({"event": "outcome", **asdict(row)}) + "\n")
