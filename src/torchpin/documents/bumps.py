"""The section of DEVIATIONS.md that lists the last updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, paragraphs, prose, table, wrap_section
from torchpin.records.bump_log import LOG_PATH, STEPS, BumpEntry

if TYPE_CHECKING:
    from collections.abc import Sequence


def section(log: Sequence[BumpEntry]) -> str:
    """What was bumped, the newest first."""
    rows = [
        (
            prose(entry.steps[0].when[:10]),
            code(entry.bump),
            prose(name),
            prose("; ".join(change.pins)),
            prose(entry.why),
            prose(_progress(entry)),
        )
        for entry in reversed(log)
        for name, change in entry.services.items()
    ]
    bump_table = table(("When", "Bump", "Service", "What moved", "Why", "Steps"), rows)
    opening = "Every bump, the newest first; `records/log.yaml` tells more, step by step."
    return wrap_section("bumps", paragraphs("## Bumps", opening, bump_table), source=LOG_PATH)


def _progress(entry: BumpEntry) -> str:
    if not entry.pending:
        return "all done"
    steps = ", ".join(f"{number} ({STEPS[number - 1]})" for number in entry.pending)
    return f"pending: {steps}"
