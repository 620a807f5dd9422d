"""The base image that a machine makes is kept for a day, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.errors import ToolError
from torchpin.lab import base_image
from torchpin.model import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=str(tmp_path / "cache"))


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The suite of each archive that is written: with mmdebstrap it would take seconds."""
    written: list[str] = []

    def write(archive: Path, tree: Path, suite: str) -> None:
        written.append(suite)
        archive.write_text(f"archive {len(written)}")

    monkeypatch.setattr(base_image, "_write_archive", write)
    monkeypatch.setattr(base_image, "_distribution_suite", lambda: "bookworm")
    return written


def test_it_is_made_once(settings: Settings, suites: list[str]) -> None:
    archive = base_image._base_archive(settings)
    assert base_image._base_archive(settings) == archive
    assert suites == ["bookworm"]
    assert archive.read_text() == "archive 1"
    assert [*archive.parent.iterdir()] == [archive]


def test_those_of_other_days_and_of_other_packages_are_not_taken_and_go(
    settings: Settings, suites: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = base_image._base_archive(settings)
    yesterday = first.rename(first.with_name(first.name[:-14] + "2000-01-01.tar"))
    today = base_image._base_archive(settings)
    assert (today, today.read_text(), yesterday.exists()) == (first, "archive 2", False)
    monkeypatch.setattr(base_image, "_PACKAGES", "python3")
    other = base_image._base_archive(settings)
    assert (other != today, other.read_text()) == (True, "archive 3")
    assert [*other.parent.iterdir()] == [other]


def test_one_that_cannot_be_made_is_not_kept(
    settings: Settings, suites: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(archive: Path, tree: Path, suite: str) -> None:
        archive.write_text("half of it")
        raise ToolError("mmdebstrap failed")

    with monkeypatch.context() as patch:
        patch.setattr(base_image, "_write_archive", fail)
        with pytest.raises(ToolError, match="mmdebstrap failed"):
            base_image._base_archive(settings)
    assert base_image._base_archive(settings).read_text() == "archive 1"
