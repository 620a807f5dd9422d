"""What the lab asks of an engine, without one: which tags it keeps, and which entries of a build cache are in its time."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from torchpin.lab.docker_engine import CacheWindow, pull

HUB_IMAGE = "python:3.10-slim-bookworm"


class Images:
    """An engine's images: tags by id; a pull gives the one that is asked for."""

    def __init__(self, *tags: str) -> None:
        self.tags = {*tags}

    def list(self) -> list[Any]:
        return [SimpleNamespace(tags=[tag]) for tag in sorted(self.tags)]

    def pull(self, name: str, *, tag: str) -> Any:
        self.tags.add(f"{name}:{tag}")
        return SimpleNamespace(tag=lambda name, tag: self.tags.add(f"{name}:{tag}"))

    def remove(self, tag: str, *, force: bool) -> None:
        self.tags.remove(tag)


@pytest.mark.parametrize("before", [(), (HUB_IMAGE,), ("python:3.10-slim-bookworm-mine",)])
def test_an_image_keeps_the_tags_that_it_had_before_a_lab_pulled_it(before: tuple[str, ...]) -> None:
    images: Any = Images(*before)
    client: Any = SimpleNamespace(images=images)
    assert pull(client, HUB_IMAGE, "lab/base:1")
    assert images.tags == {"lab/base:1", *before}


@pytest.mark.parametrize(
    ("created", "used", "expected"),
    [
        ("2026-01-01T10:00:01.123456789Z", "2026-01-01T10:30:00Z", True),
        ("2026-01-01T09:59:59.123456789Z", "2026-01-01T10:30:00Z", False),
        ("2026-01-01T10:00:01.1Z", "2026-01-01T11:00:01Z", False),
        ("2026-01-01T10:00:01Z", None, True),
        ("2026-01-01T11:00:01Z", None, False),
        (None, None, False),
        ("yesterday", "today", False),
    ],
)
def test_an_entry_that_was_made_or_used_at_another_time_is_not_the_labs(
    created: str | None, used: str | None, expected: bool
) -> None:
    window = CacheWindow(
        begin=datetime(2026, 1, 1, 10, tzinfo=timezone.utc), end=datetime(2026, 1, 1, 11, tzinfo=timezone.utc)
    )
    assert window.holds({"CreatedAt": created, "LastUsedAt": used}) == expected
