"""Running steps for people: lines in a log, live lines on a terminal; the events of builds for programs."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from torchpin.image.build_log import BuildStarted, Event
from torchpin.output import progress
from torchpin.output.live_lines import LiveLines
from torchpin.output.progress import LineView, LiveView, NoView, StepView, step_view
from torchpin.progress import BYTES, RunningStep, StepAdvanced, StepEnded, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED = StepStarted(key=1, title="lora-gpu: resolving", total=60, unit="packages")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("torchpin.output.progress.time.monotonic", clock)
    monkeypatch.setattr(StepView, "_start_ticker", lambda _: None)  # the test ticks
    return clock


def test_a_log_has_a_line_at_the_start_now_and_then_and_at_the_end(clock: Clock) -> None:
    lines: list[str] = []
    view = LineView(lines.append)
    view.take(STARTED)
    for second in range(1, 50):
        clock.now = 100.0 + second
        view.take(StepAdvanced(key=1, done=second, total=60, note="torch"))
        view.tick()
    view.take(StepEnded(key=1, seconds=50.2, result="60 packages"))
    assert lines == [
        "lora-gpu: resolving …",
        "lora-gpu: resolving: 20 of 60 packages, torch, 20 s",
        "lora-gpu: resolving: 40 of 60 packages, torch, 40 s",
        "lora-gpu: resolving: 60 packages (50 s)",
    ]


@pytest.mark.parametrize(
    ("ended", "lines"),
    [
        (StepEnded(key=1, seconds=0.9, result="60 packages"), []),
        (StepEnded(key=1, seconds=1.0), ["lora-gpu: resolving: done (1 s)"]),
        (StepEnded(key=1, seconds=2, outcome="failed"), ["lora-gpu: resolving: failed (2 s)"]),
        (StepEnded(key=1, seconds=2, outcome="stopped"), []),
        (StepEnded(key=2, seconds=2, result="of a step that nobody knows"), []),
    ],
    ids=["quick", "without a result", "failed", "stopped", "unknown"],
)
def test_the_end_of_a_step_in_a_log(clock: Clock, ended: StepEnded, lines: list[str]) -> None:
    assert clock.now
    printed: list[str] = []
    view = LineView(printed.append)
    view.take(STARTED)
    view.take(ended)
    assert printed == lines  # it has not run for a second by this clock, so it was not announced


@pytest.mark.parametrize(
    ("seconds", "is_part", "lines"),
    [(0.9, False, []), (1.0, False, ["lora-gpu: image …"]), (1.0, True, [])],
    ids=["quick", "long", "part of another"],
)
def test_a_step_is_announced_once_it_has_run_for_a_second(
    clock: Clock, seconds: float, is_part: bool, lines: list[str]
) -> None:
    printed: list[str] = []
    view = LineView(printed.append)
    view.take(StepStarted(key=1, title="lora-gpu: image", is_part=is_part))
    clock.now += seconds
    view.tick()
    view.tick()
    assert printed == lines


def test_on_a_terminal_a_step_leaves_a_line_only_with_a_result_or_a_failure(clock: Clock) -> None:
    assert clock.now
    lines: list[str] = []
    view = LiveView(lines.append)
    for ended in (
        StepEnded(key=1, seconds=5),
        StepEnded(key=1, seconds=5, result="60 packages"),
        StepEnded(key=1, seconds=0.5, result="60 packages"),
        StepEnded(key=1, seconds=5, outcome="failed"),
        StepEnded(key=1, seconds=5, outcome="stopped", result="60 packages"),
    ):
        view.take(STARTED)
        view.take(ended)
    assert lines == ["lora-gpu: resolving: 60 packages (5 s)", "lora-gpu: resolving: failed (5 s)"]


@pytest.mark.parametrize("kind", [LineView, LiveView, NoView])
def test_after_its_end_a_view_shows_nothing(kind: Callable[[Callable[[str], object]], StepView]) -> None:
    lines: list[str] = []
    view = kind(lines.append)
    view.take(STARTED)
    view.close()
    before = [*lines]
    view.take(StepStarted(key=2, title="of another thread"))
    view.take(StepEnded(key=1, seconds=5, result="late"))
    assert lines == before


@pytest.mark.parametrize("kind", [LineView, LiveView])
def test_a_thread_looks_at_steps_while_they_run_and_no_longer(
    kind: Callable[[Callable[[str], object]], StepView], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticked = threading.Event()
    monkeypatch.setattr(kind, "tick", lambda _: ticked.set())
    monkeypatch.setattr(kind, "period", 0.01)
    others = threading.active_count()
    view = kind(print)
    ends: list[Callable[[], None]] = [lambda: view.take(StepEnded(key=1)), view.close]
    for end in ends:
        ticked.clear()
        view.take(STARTED)
        assert ticked.wait(5)
        assert threading.active_count() == others + 1
        end()
        assert threading.active_count() == others  # else no work is shared out over processes


def row(**changed: Any) -> RunningStep:
    started = StepStarted(key=1, title="lora-gpu: layer 00-torch", unit=BYTES)
    values = {"done": 1_200_000_000, "total": 2_800_000_000, "note": "downloading torch, nvidia-cudnn-cu12"}
    return RunningStep(**{"started": started, "start": 0.0, **values, **changed})


def drawn(rows: list[RunningStep], width: int) -> list[str]:
    lines = LiveLines()
    lines._live.console.width = width
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(lines.render(rows, 65.0))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_live_line_is_one_line(width: int) -> None:
    (line,) = drawn([row()], width)
    assert len(line) <= width
    assert "lora-gpu: layer" in line
    assert "1.2 of 2.8 GB 1:05" in line
    assert ("━" in line) == (width >= 70)
    assert ("nvidia-cudnn-cu12" in line) == (width >= 120)


def test_many_steps_are_counted() -> None:
    lines = drawn([row() for _ in range(15)], 100)
    assert len(lines) == 13
    assert lines[-1] == "  and 3 more"


@pytest.mark.parametrize(
    ("is_terminal", "term", "choice", "kind"),
    [
        (True, "xterm", "auto", LiveView),
        (True, "xterm", "plain", LineView),
        (True, "xterm", "json", NoView),
        (True, "xterm", "none", NoView),
        (True, "dumb", "auto", LineView),
        (False, "xterm", "auto", LineView),
    ],
)
def test_which_view_is_used(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, term: str, choice: str, kind: type
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")  # which makes no terminal of a file
    assert type(step_view(print, choice)) is kind


def test_programs_get_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress.print_build_event(BuildStarted(environment="lora-gpu", sizes={"layer 00-torch": 2}, log="x.log"))
    progress.print_build_event(Event(step=0, kind="planned", text="[1/2] FROM debian"))
    progress.print_build_event(Event(step=4, kind="done", seconds=2.1))
    captured = capsys.readouterr()
    started, done = (json.loads(line) for line in captured.out.splitlines())
    assert started == {
        "event": "started", "environment": "lora-gpu", "sizes": {"layer 00-torch": 2}, "log": "x.log"
    }  # fmt: skip
    assert done == {
        "event": "event", "step": 4, "kind": "done", "text": "", "seconds": 2.1, "bytes": "", "environment": "",
        "done": 0, "total": 0,
    }  # fmt: skip
    assert captured.err == ""
