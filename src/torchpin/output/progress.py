"""Running steps for people, on stderr: live lines on a terminal, seldom lines elsewhere; build events for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin.image.build_log import BuildStarted
from torchpin.output.console import redacted
from torchpin.progress import RunningStep, StepEnded, StepStarted, amount, elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.image.build_log import Event
    from torchpin.progress import StepEvent

_SECONDS_BETWEEN_LINES = 20.0  # about one step, where nobody looks at a terminal
_SHORTEST_SHOWN = 1.0  # seconds of a step whose end is a line
_SECONDS_BETWEEN_FRAMES = 0.2
_SECONDS_UNTIL_LIVE = 0.4  # a step that has ended by then is never drawn


def print_build_event(event: BuildStarted | Event) -> None:
    """A JSON object a line, to stdout; none for a step that is only planned."""
    if not isinstance(event, BuildStarted) and event.kind == "planned":
        return
    name = "started" if isinstance(event, BuildStarted) else "event"
    redacted(sys.stdout).write(json.dumps({"event": name, **asdict(event)}) + "\n")
    sys.stdout.flush()


class StepView:
    """The running steps; what is done about them is in `LineView` and `LiveView`. All methods may be called by several threads."""

    period = 1.0  # seconds between two calls of `tick` while steps run

    def __init__(self, print_line: Callable[[str], object]) -> None:
        self.print_line = print_line
        self.lock = threading.RLock()
        self.running: dict[object, RunningStep] = {}
        self._is_closed = False
        self._ticker: _Ticker | None = None

    def take(self, event: StepEvent) -> None:
        """Show an event; after `close` nothing is shown."""
        with self.lock:
            if self._is_closed:
                return
            if isinstance(event, StepStarted):
                self.running[event.key] = RunningStep(
                    started=event, start=time.monotonic(), total=event.total
                )
                self._ticker = self._ticker or self._start_ticker()
            elif isinstance(event, StepEnded):
                ended = self.running.pop(event.key, None)
                if ended:
                    self.ended(ended, event)
            elif running := self.running.get(event.key):
                running.advance(event)
            over = self._ticker if not self.running else None
            self._ticker = None if over else self._ticker
        if over:
            over.end()

    def ended(self, row: RunningStep, event: StepEnded) -> None: ...

    def tick(self) -> None: ...

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A context in which other lines can be printed."""
        with self.lock:
            yield

    def close(self) -> None:
        """End the view, whatever still runs in other threads."""
        with self.lock:
            self._is_closed = True
            self.running.clear()
            ticker, self._ticker = self._ticker, None
        if ticker:
            ticker.end()

    def _start_ticker(self) -> _Ticker:
        return _Ticker(self.period, self._tick)

    def _tick(self) -> None:
        with self.lock:
            if self.running:
                self.tick()


class _Ticker:
    """A thread that calls a function now and then, until its end.

    It is there only while steps run: work is shared out over forked processes where a process has no other thread.
    """

    def __init__(self, period: float, tick: Callable[[], object]) -> None:
        self._period, self._tick, self._is_over = period, tick, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(self._period):
            self._tick()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()


class LineView(StepView):
    """Lines for a log: one when a step has run for a second, one now and then, and one at its end."""

    def ended(self, row: RunningStep, event: StepEnded) -> None:
        if event.seconds >= _SHORTEST_SHOWN and event.outcome != "stopped":
            self.print_line(end_line(row, event))

    def tick(self) -> None:
        now = time.monotonic()
        for row in self.running.values():
            if row.printed is None and now - row.start >= _SHORTEST_SHOWN:
                row.printed = row.start
                if not row.started.is_part:
                    self.print_line(f"{row.started.title} …")
            elif row.printed is not None and now - row.printed >= _SECONDS_BETWEEN_LINES:
                row.printed = now
                parts = (row.counted(), row.note, elapsed(now - row.start))
                self.print_line(f"{row.started.title}: {', '.join(filter(None, parts))}")


def end_line(row: RunningStep, event: StepEnded) -> str:
    """How a step ended: its result or else how much was done, and the time it took."""
    has_failed = event.outcome == "failed"
    counted = amount(row.done, row.total if has_failed else 0, row.started.unit) if row.done else ""
    parts = ("failed" if has_failed else "", event.result or counted)
    text = ", ".join(filter(None, parts)) or "done"
    return f"{row.started.title}: {text} ({elapsed(event.seconds)})"


class LiveView(StepView):
    """A live line for each running step; one that has ended leaves a line if it has a result and took more than a second."""

    period = _SECONDS_BETWEEN_FRAMES

    def __init__(self, print_line: Callable[[str], object]) -> None:
        super().__init__(print_line)
        self._live: Any = None  # rich's, while lines are shown

    def ended(self, row: RunningStep, event: StepEnded) -> None:
        has_line = event.result or event.outcome == "failed"
        if has_line and event.seconds >= _SHORTEST_SHOWN and event.outcome != "stopped":
            with self.aside():
                self.print_line(end_line(row, event))
        if not self.running:
            self._erase()

    def tick(self) -> None:
        from torchpin.output.live_lines import LiveLines  # with rich's, which a quick command does not need

        now = time.monotonic()
        rows = [row for row in self.running.values() if now - row.start >= _SECONDS_UNTIL_LIVE]
        if not rows:
            self._erase()
            return
        if self._live is None:
            self._live = LiveLines()
        self._live.show(rows, now)

    @contextmanager
    def aside(self) -> Iterator[None]:
        with self.lock:
            self._erase()
            yield

    def close(self) -> None:
        super().close()
        with self.lock:
            self._erase()

    def _erase(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.erase()


class NoView(StepView):
    """Shows nothing."""

    def take(self, event: StepEvent) -> None: ...


def step_view(print_line: Callable[[str], object], progress: str = "auto") -> StepView:
    """The view of steps for this process. `progress`: `auto`, `plain` for lines also on a terminal, `json` or `none` for nothing."""
    if progress in {"json", "none"}:
        return NoView(print_line)
    if progress == "plain" or not _is_live_terminal():
        return LineView(print_line)
    return LiveView(print_line)


def _is_live_terminal() -> bool:
    """Whether stderr is a terminal that moves its cursor; FORCE_COLOR makes none of a file."""
    import os

    return bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM", "") not in {"dumb", "unknown"}
