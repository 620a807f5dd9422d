"""The making of layers as progress: bytes of the wheels that are fetched, layers that are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from torchpin.assembly.layer import LayerPlan
from torchpin.assembly.wheel import VenvLayout
from torchpin.commands.layer_progress import layer_progress
from torchpin.model import Artifact
from torchpin.progress import StepAdvanced, StepEnded, StepStarted, StepStatus
from torchpin.tools.layer_store import LayerStore
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.progress import StepEvent


def wheel(name: str, size: int) -> Artifact:
    filename = f"{name}-1.0-py3-none-any.whl"
    return Artifact(
        name=name, version="1.0", filename=filename, sha256=name.encode().hex().ljust(64, "0"), size=size
    )


TORCH, NUMPY, SMALL = wheel("torch", 2_000_000_000), wheel("numpy", 17_000_000), wheel("idna", 70_000)
PLANS = [LayerPlan(name="torch", wheels=(TORCH, NUMPY)), LayerPlan(name="others", wheels=(SMALL,))]


class Wheels:
    """Wheels of a folder; nothing is fetched here."""

    def __init__(self, folder: Path) -> None:
        self.store = WheelStore(folder=folder)

    def fetch(self, artifact: Artifact, report: Any) -> Path:
        raise NotImplementedError


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[StepEvent]:
    monkeypatch.setattr("torchpin.progress._SHORTEST", 0)
    return []


def follow(
    folder: Path, events: list[StepEvent], plans: list[LayerPlan], calls: list[tuple[Any, ...]]
) -> None:
    layers = LayerStore(
        folder=folder / "layers", layout=VenvLayout(python="3.11"), epoch=1_700_000_000, compression="none"
    )
    with layer_progress(
        StepStatus(print, events.append), "lora-gpu", plans, layers, Wheels(folder)
    ) as report:
        for call in calls:
            report(*call)


def test_fetched_bytes_of_several_wheels_are_added_up(tmp_path: Path, events: list[StepEvent]) -> None:
    calls = [
        ("fetch", TORCH.filename, 500_000_000, TORCH.size),
        ("fetch", NUMPY.filename, 17_000_000, NUMPY.size),
        ("fetch", TORCH.filename, 600_000_000, TORCH.size),
    ]
    follow(tmp_path, events, PLANS, calls)
    fetching, making = (event for event in events if isinstance(event, StepStarted))
    assert (fetching.title, fetching.total) == ("lora-gpu: fetching wheels", 2_017_070_000)
    assert (making.title, making.total) == ("lora-gpu: making layers", 2)
    done = [event.done for event in events if isinstance(event, StepAdvanced)]
    assert done == [500_000_000, 517_000_000, 617_000_000]
    results = [event.result for event in events if isinstance(event, StepEnded)]
    assert results == ["2 layers", "3 wheels, 2.0 GB"]


def test_layers_are_counted_when_they_are_whole(tmp_path: Path, events: list[StepEvent]) -> None:
    calls = [
        ("make", "others", 70_000, 140_000),
        ("make", "others", 140_512, 140_000),
        ("make", "torch", 1, 5_000),
    ]
    follow(tmp_path, events, PLANS, calls)
    advanced = [(event.done, event.note) for event in events if isinstance(event, StepAdvanced)]
    assert advanced == [
        (0, "others, 70 of 140 kB"),
        (1, "others, 141 of 140 kB"),
        (1, "torch, 0 of 5 kB"),
    ]


def test_wheels_that_are_there_are_no_step(tmp_path: Path, events: list[StepEvent]) -> None:
    path = WheelStore(folder=tmp_path).path(SMALL)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(SMALL.size or 0))
    follow(tmp_path, events, PLANS[1:], [("reuse", "others", 1, 1)])
    assert [event.title for event in events if isinstance(event, StepStarted)] == ["lora-gpu: making layers"]


def test_without_layers_there_is_no_step(tmp_path: Path, events: list[StepEvent]) -> None:
    follow(tmp_path, events, [], [("fetch", "unknown", 1, 1), ("make", "unknown", 1, 1)])
    assert events == []
