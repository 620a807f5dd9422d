"""The table of a service's updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, link, prose, table
from torchpin.documents.sections import ROOT
from torchpin.records.bump_log import STEPS, BumpEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Service


def bump_table(service: Service, log: Sequence[BumpEntry]) -> str:
    """The updates of a service, the newest first, with the steps that are pending."""
    rows = [
        (
            prose(entry.steps[0].when[:10]),
            link(code(entry.bump), f"{ROOT}{entry.file}"),
            prose("; ".join(entry.services[service.name].pins)),
            prose(entry.why),
            prose(_progress(entry)),
        )
        for entry in reversed(log)
        if service.name in entry.services
    ]
    headers = ("When", "Bump", "Changes", "Why", "Steps")
    return table(headers, rows) if rows else "None yet."


def _progress(entry: BumpEntry) -> str:
    if not entry.pending:
        return "all done"
    steps = ", ".join(f"{number} ({STEPS[number - 1]})" for number in entry.pending)
    return f"pending: {steps}"
