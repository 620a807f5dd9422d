"""Steps of work as events: what is told of them, how often, and in which words."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from torchpin.progress import BYTES, StepAdvanced, StepEnded, StepStarted, StepStatus, amount, elapsed, step

if TYPE_CHECKING:
    from torchpin.model import StatusCallback
    from torchpin.progress import StepEvent


def recorded() -> tuple[StepStatus, list[str], list[StepEvent]]:
    lines: list[str] = []
    events: list[StepEvent] = []
    return StepStatus(lines.append, events.append), lines, events


def test_a_status_callback_still_shows_lines() -> None:
    status, lines, events = recorded()
    status("cloned")
    assert (lines, events) == (["cloned"], [])


def test_a_step_starts_advances_and_ends() -> None:
    status, lines, events = recorded()
    with step(status, "lora-gpu: resolving", total=60, unit="packages") as running:
        running.advance(60, note="torch")
        running.result = "60 packages"
    started, advanced, ended = events
    assert isinstance(started, StepStarted)
    assert (started.title, started.total, started.unit) == ("lora-gpu: resolving", 60, "packages")
    assert isinstance(advanced, StepAdvanced)
    assert (advanced.key, advanced.done, advanced.total, advanced.note) == (started.key, 60, 60, "torch")
    assert isinstance(ended, StepEnded)
    assert (ended.key, ended.outcome, ended.result) == (started.key, "done", "60 packages")
    assert lines == []


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError, "failed"), (KeyboardInterrupt, "stopped")], ids=["error", "interrupt"]
)
def test_a_step_that_raises_ends_too(error: type[BaseException], outcome: str) -> None:
    status, _, events = recorded()
    with pytest.raises(error), step(status, "building"):
        raise error
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert ended.outcome == outcome


@pytest.mark.parametrize("status", [None, print, [].append], ids=["none", "function", "method"])
def test_a_callback_for_lines_alone_shows_no_step(
    status: StatusCallback | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with step(status, "resolving") as running:
        running.advance(1)
    assert capsys.readouterr().out == ""


def test_advances_are_shown_ten_times_a_second_and_the_last_one_always(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = count(1.0, 0.03)
    monkeypatch.setattr("torchpin.progress.time.monotonic", lambda: next(times))
    status, _, events = recorded()
    with step(status, "downloading", total=100, unit=BYTES) as running:
        for done in range(1, 101):
            running.advance(done)
    shown = [event.done for event in events if isinstance(event, StepAdvanced)]
    assert len(shown) == pytest.approx(25, abs=2)
    assert shown[-1] == 100
    assert running.done == 100


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (12, 60, "packages", "12 of 60 packages"),
        (12, 0, "packages", "12 packages"),
        (1_234, 56_789, "objects", "1,234 of 56,789 objects"),
        (0, 0, "packages", ""),
        (3, 4, "", ""),
        (1_234_000_000, 2_800_000_000, BYTES, "1.2 of 2.8 GB"),
        (400_000_000, 2_800_000_000, BYTES, "0.4 of 2.8 GB"),
        (5_400_000, 731_200_000, BYTES, "5 of 731 MB"),
        (5_400, 0, BYTES, "5 kB"),
        (17, 0, BYTES, "0 kB"),
    ],
)
def test_amounts_in_words(done: int, total: int, unit: str, text: str) -> None:
    assert amount(done, total, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (12.3, "12 s"), (59.9, "1:00"), (60, "1:00"), (185.2, "3:05"), (3723, "1:02:03")],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text
