"""A group of tests that runs in two workers is noticed, whatever distributes tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.worker_groups import FOLDER, require_one_worker

if TYPE_CHECKING:
    from pathlib import Path


def worker(name: str, folder: Path) -> Any:
    return SimpleNamespace(workerinput={"workerid": name, FOLDER: str(folder)})


def test_a_group_runs_in_one_worker(tmp_path: Path) -> None:
    for _ in range(2):
        require_one_worker(worker("gw0", tmp_path), "commands/test_bump.py")
    require_one_worker(worker("gw1", tmp_path), "commands/test_build.py")
    with pytest.raises(RuntimeError, match=r"the group commands/test_bump\.py run in gw1 and in gw0"):
        require_one_worker(worker("gw1", tmp_path), "commands/test_bump.py")


def test_without_workers_nothing_is_required() -> None:
    require_one_worker(SimpleNamespace(), "commands/test_bump.py")  # type: ignore[arg-type]
