"""The progress of builds: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from torchpin.image import build_log
from torchpin.image.build_log import BuildStarted
from torchpin.output.console import SafeConsole, redacted
from torchpin.output.terminal import print_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.image.build_log import Event


@contextmanager
def build_progress(progress: str) -> Iterator[Callable[[BuildStarted | Event], None]]:
    """A function that shows each event of builds: in live tables on a terminal, else as plain lines, or as JSON lines.

    `progress`: "auto", "plain" or "json".
    """
    if progress == "json":
        yield _print_event_json
        return
    terminal = SafeConsole(file=redacted(sys.stdout), markup=False, highlight=False)
    views: dict[str, Any] = {}
    if progress == "plain" or not terminal.is_terminal:
        yield lambda event: views.setdefault(event.environment, PlainBuildView()).line(event)
        return
    with Live(
        get_renderable=lambda: Group(*(view.rows() for view in views.values())),
        console=terminal,
        refresh_per_second=4,
    ):
        yield lambda event: views.setdefault(event.environment, BuildView()).take(event)


def _print_event_json(event: BuildStarted | Event) -> None:
    name = "started" if isinstance(event, BuildStarted) else "event"
    redacted(sys.stdout).write(json.dumps({"event": name, **asdict(event)}) + "\n")
    sys.stdout.flush()


class BuildView:
    """The steps of one build with their states, times (seconds) and transferred bytes."""

    def __init__(self) -> None:
        self.environment, self.log = "", ""
        self.sizes: dict[str, int] = {}
        self.steps: dict[int, dict[str, Any]] = {}

    def take(self, event: BuildStarted | Event) -> None:
        if isinstance(event, BuildStarted):
            self.environment, self.log, self.sizes, self.steps = event.environment, event.log, event.sizes, {}
            return
        step = self.steps.setdefault(
            event.step, {"name": "", "state": "", "start": time.monotonic(), "bytes": "", "seconds": None}
        )
        if event.kind == "started":
            step["name"] = step["name"] or build_log.step_title(event.text)
        elif event.kind == "output":
            step["bytes"] = event.bytes or step["bytes"]
        else:
            step["state"] = event.kind
            step["seconds"] = event.seconds

    def rows(self) -> Group:
        grid = Table.grid(padding=(0, 2))
        for step in self.steps.values():
            if not step["name"]:
                continue
            seconds = step["seconds"] if step["state"] else time.monotonic() - step["start"]
            size = self.sizes.get(step["name"])
            transferred = step["bytes"] or (f"{size / 1e6:,.0f} MB" if size else "")
            took = "" if seconds is None else f"{seconds:,.1f} s"
            style = {"done": "green", "cached": "dim", "failed": "bold red"}.get(step["state"], "cyan")
            grid.add_row(
                Text(step["state"] or "running", style=style),
                Text(step["name"]),
                Text(took),
                Text(transferred),
            )
        return Group(Text(f"building {self.environment} (log: {self.log})", style="bold"), grid)


class PlainBuildView:
    """A line for each step when it ends, for logs."""

    def __init__(self) -> None:
        self.view = BuildView()

    def line(self, event: BuildStarted | Event) -> None:
        self.view.take(event)
        if isinstance(event, BuildStarted):
            print_line(f"building {event.environment} (log: {event.log})")
        elif event.kind in {"done", "cached", "failed"}:
            step = self.view.steps[event.step]
            if step["name"]:
                took = f"  {event.seconds:.1f} s" if event.seconds is not None else ""
                size = self.view.sizes.get(step["name"])
                print_line(
                    f"  {event.kind:<7} {step['name']}{took}{f'  {size / 1e6:,.1f} MB' if size else ''}"
                )
