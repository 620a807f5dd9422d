"""Lines of running steps on a terminal, drawn with rich: spinner, title, bar, counts, time, and what a step is busy with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from torchpin.output.console import SafeConsole, redacted
from torchpin.progress import elapsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.progress import RunningStep

_BAR = 16  # columns
_WIDE = 70  # columns from which on a line has a bar
_MOST_LINES = 12  # of steps at a time; the others are counted


class LiveLines:
    """Lines at the cursor, until they are erased. rich hides the cursor while they are there."""

    def __init__(self) -> None:
        console = SafeConsole(file=redacted(sys.stderr), markup=False, highlight=False)
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._spinner = Spinner("dots", style="cyan")

    def show(self, rows: Sequence[RunningStep], now: float) -> None:
        """Draw the steps as they are."""
        self._live.start()
        self._live.update(self.render(rows, now), refresh=True)

    def erase(self) -> None:
        try:
            self._live.stop()
        finally:  # also where a second interrupt comes meanwhile
            self._live.console.show_cursor(True)

    def render(self, rows: Sequence[RunningStep], now: float) -> Group:
        width = self._live.console.width
        shown = rows[-_MOST_LINES:]
        lines = [self._line(row, now, width) for row in shown]
        hidden = len(rows) - len(shown)
        return Group(*lines, *([Text(f"  and {hidden} more", style="dim")] if hidden else []))

    def _line(self, row: RunningStep, now: float, width: int) -> Table:
        """One line: what does not fit is cut, the note first, then the title."""
        counted = " ".join(filter(None, (row.counted(), elapsed(now - row.start))))
        bar = _BAR if row.total and width >= _WIDE else 0
        room = max(10, width - len(counted) - bar - 4 - (2 if bar else 0))
        title = Text(row.started.title, no_wrap=True)
        note_room = room - title.cell_len - 2
        title.truncate(room, overflow="ellipsis")
        grid = Table.grid(padding=(0, 1, 0, 0))
        cells: list[Spinner | Text | ProgressBar] = [self._spinner, title]
        if bar:
            cells.append(ProgressBar(total=row.total, completed=min(row.done, row.total), width=bar))
        cells.append(Text(counted, style="cyan", no_wrap=True))
        if row.note and note_room >= 8:  # noqa: PLR2004 - less says nothing
            note = Text(row.note, style="dim", no_wrap=True)
            note.truncate(note_room, overflow="ellipsis")
            cells.append(note)
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        return grid
