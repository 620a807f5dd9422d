"""Work that takes more than a second, as events: a step starts, advances and ends. Views see nothing but these events."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.model import StatusCallback

    StepCallback = Callable[["StepEvent"], object]

Ending = Literal["done", "failed", "stopped"]  # stopped: interrupted, or because something else failed
BYTES = "bytes"
_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_SHORTEST = 0.1  # seconds between two advances that are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted:
    """The start of a step. `total`: how much there is to do, 0 where nobody knows; `unit`: BYTES, or a plural such as `packages`.

    `is_part`: of a step that has been announced already.
    """

    key: object
    title: str
    total: int = 0
    unit: str = ""
    is_part: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StepAdvanced:
    """Progress of a step. `note`: what it is doing."""

    key: object
    done: int
    total: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEnded:
    """The end of a step. `result`: its outcome, for the line that stays; "" leaves no line."""

    key: object
    outcome: Ending = "done"
    seconds: float = 0.0
    result: str = ""


StepEvent = StepStarted | StepAdvanced | StepEnded


@dataclass(kw_only=True, slots=True)
class RunningStep:
    """A step that has not ended, as a view has it: when it started, how far it is, and when a line about it was printed.

    `printed` is None until it is announced; a part never is.
    """

    started: StepStarted
    start: float
    printed: float | None = None
    done: int = 0
    total: int = 0
    note: str = ""

    def advance(self, event: StepAdvanced) -> None:
        self.done, self.total, self.note = event.done, event.total, event.note or self.note

    def counted(self) -> str:
        return amount(self.done, self.total, self.started.unit)


class StepStatus:
    """A status callback that shows steps, too."""

    def __init__(self, show_line: StatusCallback, show_step: StepCallback) -> None:
        self.show_line, self.show_step = show_line, show_step

    def __call__(self, line: str) -> None:
        self.show_line(line)


class Step:
    """A running step, by which the work reports how far it is. Several threads may advance it."""

    def __init__(self, show: StepCallback, total: int) -> None:
        self._show, self._shown_at = show, 0.0
        self.done, self.total, self.result = 0, total, ""

    def advance(self, done: int | None = None, *, total: int | None = None, note: str = "") -> None:
        """Show how far the step is; what comes within a tenth of a second is left out, but for the last of it."""
        self.done = self.done if done is None else done
        self.total = self.total if total is None else total
        now = time.monotonic()
        if now - self._shown_at >= _SHORTEST or (self.total and self.done == self.total):
            self._shown_at = now
            self._show(StepAdvanced(key=self, done=self.done, total=self.total, note=note))


def _drop(_: StepEvent) -> None:
    """Ignores an event, where nothing shows steps."""


def show_of(status: StatusCallback | None) -> StepCallback:
    """The function of a status callback that shows the events of steps; one that ignores them where it has none."""
    return status.show_step if isinstance(status, StepStatus) else _drop


@contextmanager
def step(
    status: StatusCallback | None, title: str, *, total: int = 0, unit: str = "", is_part: bool = False
) -> Iterator[Step]:
    """A step of work, shown where `status` shows steps. Its `result` may be set before its end."""
    show = show_of(status)
    running, start = Step(show, total), time.monotonic()
    show(StepStarted(key=running, title=title, total=total, unit=unit, is_part=is_part))
    outcome: Ending = "stopped"
    try:
        yield running
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        seconds = time.monotonic() - start
        show(StepEnded(key=running, outcome=outcome, seconds=seconds, result=running.result))


def amount(done: int, total: int, unit: str) -> str:
    """How far something is, in words: `1.2 of 2.8 GB`, `12 of 60 packages`; "" where nothing is counted."""
    if not unit or not (done or total):
        return ""
    if unit != BYTES:
        return f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"
    largest = max(done, total)
    name, scale = next(((name, scale) for name, scale in _UNITS if largest >= scale), _UNITS[-1])
    digits = 1 if name == "GB" else 0
    shown = f"{done / scale:,.{digits}f}"
    return f"{shown} of {total / scale:,.{digits}f} {name}" if total else f"{shown} {name}"


def elapsed(seconds: float) -> str:
    """Seconds in words: `12 s`, `3:05`, `1:02:03`."""
    minutes, remainder = divmod(round(seconds), 60)
    if not minutes:
        return f"{remainder} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{remainder:02}" if hours else f"{minutes}:{remainder:02}"
