"""A machine without a GPU, for the probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.runtime_scripts import probe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "DRIVER_FILE", str(tmp_path / "no-driver"))
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
