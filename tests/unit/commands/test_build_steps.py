"""The events of a build as progress: the image and its layers, with what they install."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from torchpin.commands.build_steps import build_steps
from torchpin.errors import ToolError
from torchpin.image.build_log import Event
from torchpin.progress import StepAdvanced, StepEnded, StepStarted, StepStatus

if TYPE_CHECKING:
    from torchpin.progress import StepEvent

LAYER = "[2/3] RUN --mount=type=bind,source=a,target=/run/torchpin/layers/00-torch.requirements.txt uv pip install"
BUILD = [
    Event(step=0, kind="planned", text="[internal] load build definition"),
    Event(step=0, kind="planned", text="[1/3] FROM debian:12"),
    Event(step=0, kind="planned", text=LAYER),
    Event(step=0, kind="planned", text="[3/3] RUN apt-get update"),
    Event(step=1, kind="started", text="[internal] load build definition"),
    Event(step=1, kind="done", seconds=0.1),
    Event(step=2, kind="started", text="[1/3] FROM debian:12"),
    Event(step=2, kind="output", text="sha256:11", done=7, total=40),
    Event(step=2, kind="done", seconds=2.0),
    Event(step=3, kind="started", text="[3/3] RUN apt-get update"),
    Event(step=3, kind="cached"),
    Event(step=4, kind="started", text=LAYER),
    Event(step=4, kind="output", text="Downloading torch (731.2MiB)"),
    Event(step=4, kind="output", text=" Downloaded torch"),
]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[StepEvent]:
    monkeypatch.setattr("torchpin.progress._SHORTEST", 0)
    return []


def follow(shown: list[StepEvent], events: list[Event]) -> None:
    with build_steps(
        StepStatus(print, shown.append), "lora-gpu", {"layer 00-torch": 2_000}, {"torch": 1_500}
    ) as take:
        for event in events:
            take(event)


def test_the_image_and_each_instruction_is_a_step(shown: list[StepEvent]) -> None:
    follow(shown, [*BUILD, Event(step=4, kind="done", seconds=65.4)])
    titles = [event.title for event in shown if isinstance(event, StepStarted)]
    assert titles == [
        "lora-gpu: image",
        "lora-gpu: FROM debian:12",
        "lora-gpu: system packages",
        "lora-gpu: layer 00-torch",
    ]
    ends = [(event.outcome, event.seconds, event.result) for event in shown if isinstance(event, StepEnded)]
    assert ends[:3] == [("done", 2.0, "done"), ("done", 0.0, ""), ("done", 65.4, "2 kB")]
    assert ends[3][2] == "4 steps, 1 of them from the cache"


def test_steps_and_bytes_are_counted(shown: list[StepEvent]) -> None:
    follow(shown, [*BUILD, Event(step=4, kind="done", seconds=65.4)])
    keys = {event.title: event.key for event in shown if isinstance(event, StepStarted)}
    last = {event.key: event for event in shown if isinstance(event, StepAdvanced)}
    assert (last[keys["lora-gpu: image"]].done, last[keys["lora-gpu: image"]].total) == (4, 4)
    assert last[keys["lora-gpu: image"]].note == "1 from the cache"
    assert last[keys["lora-gpu: FROM debian:12"]].total == 40
    layer = [
        event
        for event in shown
        if isinstance(event, StepAdvanced) and event.key is keys["lora-gpu: layer 00-torch"]
    ]
    assert [(event.done, event.total, event.note) for event in layer] == [
        (0, 2_000, "downloading torch"),
        (1_500, 2_000, ""),
    ]


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Event(step=4, kind="failed", text="ERROR: exit code: 1"), "failed"),
        (Event(step=4, kind="failed", text="CANCELED"), "stopped"),
        (None, "stopped"),
    ],
    ids=["failed", "canceled", "still running"],
)
def test_what_has_not_ended_when_a_build_fails_is_ended(
    shown: list[StepEvent], event: Event | None, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = count(100.0)
    monkeypatch.setattr("torchpin.commands.build_steps.time.monotonic", lambda: next(times))

    def fail() -> None:
        with build_steps(StepStatus(print, shown.append), "lora-gpu") as take:
            for row in [*BUILD, *([event] if event else [])]:
                take(row)
            raise ToolError("the build failed")

    with pytest.raises(ToolError):
        fail()
    started = {event.key for event in shown if isinstance(event, StepStarted)}
    ended = {event.key: event for event in shown if isinstance(event, StepEnded)}
    assert started == {*ended}
    layer = next(event.key for event in shown if isinstance(event, StepStarted) and "layer" in event.title)
    assert ended[layer].outcome == outcome
    assert (ended[layer].seconds > 0) == (event is not None)  # else a failure would be too quick to be shown


def test_a_plain_log_is_followed_without_a_plan(shown: list[StepEvent]) -> None:
    follow(shown, [event for event in BUILD if event.kind != "planned"])
    image = next(event.key for event in shown if isinstance(event, StepStarted))
    counts = [event for event in shown if isinstance(event, StepAdvanced) and event.key is image]
    assert (counts[-1].done, counts[-1].total) == (3, 0)


def test_what_failed_is_not_done(shown: list[StepEvent]) -> None:
    follow(shown, [*BUILD, Event(step=4, kind="failed", text="ERROR: exit code: 1")])
    image = next(event.key for event in shown if isinstance(event, StepStarted))
    counts = [event for event in shown if isinstance(event, StepAdvanced) and event.key is image]
    assert (counts[-1].done, counts[-1].total) == (3, 4)
