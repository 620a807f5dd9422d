"""The section of DEVIATIONS.md that lists every bump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.documents.markdown import code, paragraphs, prose, table, wrap_section
from torchpin.records.bump_log import STEPS, BumpEntry

if TYPE_CHECKING:
    from collections.abc import Sequence


def section(log: Sequence[BumpEntry]) -> str:
    """A table of the bumps, newest first, with the steps that are pending."""
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
    bump_table = table(("When", "Bump", "Service", "Changes", "Why", "Steps"), rows)
    opening = f"Every bump, newest first; `{paths.BUMPS}` has the details of each step."
    return wrap_section("bumps", paragraphs("## Bumps", opening, bump_table), source=paths.BUMPS)


def _progress(entry: BumpEntry) -> str:
    if not entry.pending:
        return "all done"
    steps = ", ".join(f"{number} ({STEPS[number - 1]})" for number in entry.pending)
    return f"pending: {steps}"
