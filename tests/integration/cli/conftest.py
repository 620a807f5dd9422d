"""Copies of the committed repository, and an environment without this machine's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import ROOT, run_command


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files as they are in the working tree, and what the checks of them have kept for the next run."""
    listed = subprocess.run(
        ("git", "-C", str(ROOT), "ls-files", "-z"), capture_output=True, text=True, check=True
    )
    root = tmp_path_factory.mktemp("committed") / "repository"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    for task in ("lock", "render", "document", "verify"):
        run_command(root, task, *(["--check"] if task != "verify" else []))
    return root


@pytest.fixture
def copy(committed: Path, tmp_path: Path) -> Path:
    """The files that commands read and write, without torchpin's own code and tests, which are most of all files."""
    root = tmp_path / "repository"
    code = {committed / name for name in ("bench", "src", "tests")}
    shutil.copytree(
        committed, root, ignore=lambda folder, names: [name for name in names if Path(folder, name) in code]
    )
    return root


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine's own mirrors, terminal and engine are not what is tested."""
    for name in [*os.environ]:
        if name.startswith(("TORCHPIN_", "GIT_")) or name in {"FORCE_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
