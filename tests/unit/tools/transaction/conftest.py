"""The tree before a write, and the same token in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.transactions import plant_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant_tree(tmp_path / "root")


@pytest.fixture(autouse=True)
def fixed_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs leave the same on the disk."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "ab" * size)
