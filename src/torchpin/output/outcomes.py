"""What a command did, a line an environment, source or file, and what moved in it."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.output.console import console, print_lines
from torchpin.output.tables import print_table
from torchpin.output.volume import is_quiet, is_verbose, shown_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from torchpin.model import Outcome

_LABELS = MappingProxyType(
    {
        "changed": ("done", "green"),
        "same": ("same", "dim"),
        "kept": ("kept", "dim"),
        "planned": ("plan", "dim"),
        "open": ("to do", "yellow"),
        "failed": ("FAILED", "bold red"),
    }
)
_MOST_CHANGES = 20  # packages of an environment that are listed; `-v` lists them all


def print_outcomes(rows: Sequence[Outcome], *, aside: bool = False) -> int:
    """Prints a line an outcome, the failed ones to stderr; returns the highest exit code. `aside`: all to stderr.

    A quiet task shows what failed alone.
    """
    for row in rows:
        if is_quiet() and row.status != "failed":
            continue
        label, style = _LABELS[row.status]
        took = f"  ({row.seconds:.1f} s)" if row.seconds >= 0.1 else ""  # noqa: PLR2004 - tenths are shown
        detail = f"  {shown_message(row.detail)}{took}" if row.detail or took else ""
        line = Text.assemble((f"{label:<6} ", style), (row.name, "bold"), detail)
        out = console(sys.stderr) if aside or row.status == "failed" else console()
        print_lines(out, line)
        _print_changes(out, row.changes)
    return max((row.code for row in rows), default=0)


def _print_changes(out: Console, changes: Sequence[tuple[str, str, str]]) -> None:
    """`triton  3.1.0 -> 3.3.1`, a line a package, in columns."""
    shown = changes if is_verbose() else changes[:_MOST_CHANGES]
    name_width = max((len(name) for name, _, _ in shown), default=0)
    old_width = max((len(before or "(new)") for _, before, _ in shown), default=0)
    for name, before, after in shown:
        text = f"{name:<{name_width}}  {before or '(new)':<{old_width}} -> {after or '(removed)'}"
        print_lines(out, Text(f"       {text}"))
    if len(shown) < len(changes):
        print_lines(out, Text(f"       and {len(changes) - len(shown)} more; `-v` lists them", style="dim"))


def print_summary(rows: Sequence[Outcome]) -> None:
    """One table of several outcomes."""
    cells = [
        (
            row.name,
            _LABELS[row.status][0],
            f"{row.seconds:.1f} s",
            row.detail.splitlines()[0] if row.detail else "",
        )
        for row in rows
    ]
    print_table("", ("environment", "result", "took", "what"), cells)
