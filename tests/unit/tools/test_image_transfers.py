"""What an engine reports of layers that it pushes and pulls, as bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import ToolError
from torchpin.progress import StepAdvanced, StepEnded, StepStatus
from torchpin.tools import image_transfers

if TYPE_CHECKING:
    from torchpin.progress import StepEvent

LAYERS: list[dict[str, Any]] = [
    {"status": "The push refers to repository [registry.local/lora]"},
    {"status": "Preparing", "progressDetail": {}, "id": "aa"},
    {"status": "Pushing", "progressDetail": {"current": 10, "total": 100}, "id": "aa"},
    {"status": "Pushing", "progressDetail": {"current": 60, "total": 50}, "id": "bb"},
    {"status": "Pushed", "progressDetail": {}, "id": "aa"},
    {"status": "Layer already exists", "progressDetail": {}, "id": "cc"},
    {"progressDetail": {}, "aux": {"Tag": "1", "Size": 1}},
]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[StepEvent]:
    monkeypatch.setattr("torchpin.progress._SHORTEST", 0)
    return []


def client(*lines: dict[str, Any]) -> Any:
    """An engine that reports these lines; a real one is asked in the integration tests."""
    images = SimpleNamespace(
        push=lambda *_, **__: iter(lines), get=lambda tag: SimpleNamespace(tag=print, name=tag)
    )
    return SimpleNamespace(images=images, api=SimpleNamespace(pull=lambda *_, **__: iter(lines)))


def test_a_push_is_the_bytes_of_all_its_layers(events: list[StepEvent]) -> None:
    image_transfers.push(
        client(*LAYERS), ["registry.local/lora:1"], show_status=StepStatus(print, events.append)
    )
    advanced = [(event.done, event.total) for event in events if isinstance(event, StepAdvanced)]
    assert list(dict.fromkeys(advanced)) == [(0, 0), (10, 100), (60, 150), (150, 150)]


def test_a_push_that_fails_ends_its_step(events: list[StepEvent]) -> None:
    lines = ({"error": "denied", "errorDetail": {"message": "denied"}},)
    with pytest.raises(ToolError, match="could not be pushed: denied"):
        image_transfers.push(
            client(*lines), ["registry.local/lora:1"], show_status=StepStatus(print, events.append)
        )
    assert isinstance(events[-1], StepEnded)
    assert events[-1].outcome == "failed"


def test_a_pull_is_the_bytes_that_are_downloaded(events: list[StepEvent]) -> None:
    lines = [
        {"status": "Downloading", "progressDetail": {"current": 7, "total": 40}, "id": "aa"},
        {"status": "Download complete", "progressDetail": {}, "id": "aa"},
        {"status": "Extracting", "progressDetail": {"current": 7, "total": 40}, "id": "aa"},
    ]
    image = image_transfers.pull(
        client(*lines),
        ["registry.local/lora:1"],
        platform="linux/amd64",
        show_status=StepStatus(print, events.append),
    )
    assert image.name == "registry.local/lora:1"
    assert [(event.done, event.total) for event in events if isinstance(event, StepAdvanced)][-1] == (40, 40)
