"""What a person sees while something takes long: on a terminal, in a log, and where it is interrupted. uv and PyPI are real."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.terminals import HIDE, run_on_terminal

SOURCE = Path(__file__).parents[3] / "src"
DESCRIPTION = """\
name: lora
summary: Training
python: "3.11.7"
base: {image: "debian:12"}
torch: {version: "2.5.1"}
variants:
  gpu: {channel: pypi, platform: linux/amd64}
layers:
  - {name: training, packages: [jinja2==3.1.2, six==1.17.0]}
"""
LOCK = (sys.executable, "-m", "torchpin", "lock")
pytestmark = pytest.mark.network


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one description, and an empty cache of uv, so that resolving takes more than a moment."""
    service = tmp_path / "repo" / "services" / "lora"
    service.mkdir(parents=True)
    (service / "service.yaml").write_text(DESCRIPTION)
    (service / "smoke.py").write_text("import torch\n")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    return tmp_path / "repo"


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_resolving_is_a_live_line_that_vanishes(folder: Path, columns: int) -> None:
    shown = run_on_terminal(LOCK, folder, columns=columns)
    assert shown.exit_code == 0, shown.text
    assert "lora-gpu: resolving" in shown.text
    assert max(map(len, shown.text.splitlines())) <= columns
    assert HIDE in shown.written
    assert shown.cursor_is_visible
    # what the screen keeps: after the last line was erased, only the outcome
    kept = shown.written.rpartition("\x1b[2K")[2]
    assert "done   lora-gpu" in kept.replace("\x1b[32m", "").replace("\x1b[0m", "").replace("\x1b[1m", "")
    assert "resolving" not in kept


def test_an_interrupt_leaves_the_terminal_as_it_was(folder: Path) -> None:
    shown = run_on_terminal(LOCK, folder, interrupt_at="lora-gpu: resolving", number=signal.SIGINT)
    assert shown.exit_code == 130
    assert HIDE in shown.written
    assert shown.cursor_is_visible
    assert shown.text.endswith("interrupted; no partial output was kept\n")


def test_a_quiet_task_shows_no_progress(folder: Path) -> None:
    shown = run_on_terminal((*LOCK, "--quiet"), folder)
    assert shown.exit_code == 0, shown.text
    assert shown.written == ""


def test_a_log_has_no_escapes_and_standard_output_no_progress(folder: Path) -> None:
    result = subprocess.run(
        LOCK,
        cwd=folder,
        env={**os.environ, "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    # colours are what FORCE_COLOR asks for; nothing moves a cursor
    out, err = (re.sub(r"\x1b\[\d*m", "", text) for text in (result.stdout, result.stderr))
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    assert "resolving" not in out
    assert re.fullmatch(
        r"(lora-gpu: resolving …\n)?(lora-gpu: resolving: \d+ packages \([\d:]+( s)?\)\n)?", err
    )
