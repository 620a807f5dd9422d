"""The section of DEVIATIONS.md that lists the last updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, marked, paragraphs, prose, table
from torchpin.records.bump_log import LOG, STEPS, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence


def section(log: Sequence[Entry]) -> str:
    """What was bumped, the newest first."""
    rows = [
        (
            prose(one.steps[0].when[:10]),
            code(one.bump),
            prose(name),
            prose("; ".join(moved.pins)),
            prose(one.why),
            prose(_standing(one)),
        )
        for one in reversed(log)
        for name, moved in one.services.items()
    ]
    told = table(("When", "Bump", "Service", "What moved", "Why", "Steps"), rows)
    opening = "Every bump, the newest first; `records/log.yaml` tells more, step by step."
    return marked("bumps", paragraphs("## Bumps", opening, told), source=LOG)


def _standing(one: Entry) -> str:
    if not one.pending:
        return "all done"
    steps = ", ".join(f"{number} ({STEPS[number - 1]})" for number in one.pending)
    return f"pending: {steps}"
