"""The step that installs torch, run by this machine's shell with a uv that only notes how it was called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.dockerfile import instructions

ROOT = Path(__file__).parents[3]
TORCH, LIBRARY = "00-torch", "01-torch-deps.beside_torch"
UV = """#!/bin/sh
for word; do file=${word##*/}; done
place=venv
case "$*" in *--target*) place=ahead ;; esac
echo "$place ${file%.requirements.txt} ${UV_DEFAULT_INDEX:-PyPI} $UV_LINK_MODE" >>"$CALLS"
case " $FAILING " in *" $place:${file%.requirements.txt} "*) exit 2 ;; esac
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The shell part of the step of lora's committed image, in folders of its own."""
    text = (ROOT / "docker/lora-gpu/Dockerfile").read_text(encoding="utf-8")
    steps = [line for line in instructions(text) if f"/{LIBRARY}." in line]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/uv").write_text(UV)
    (tmp_path / "run/uv").chmod(0o755)
    (tmp_path / "run/settle.sh").write_text('echo settled >>"$CALLS"\n')
    words = steps[0].split()
    text = " ".join(word for word in words[1:] if not word.startswith("--mount="))
    return text.replace("/run/torchpin", str(tmp_path / "run")).replace("/opt/venv", str(tmp_path / "venv"))


def run(script: str, folder: Path, **variables: str) -> tuple[int, list[str]]:
    """Its exit code, and what was called in which order."""
    calls = folder / "calls"
    calls.write_text("")
    environ = {"PATH": os.environ["PATH"], "CALLS": str(calls), "KEEP_DOWNLOADS": "", "UV_LINK_MODE": "copy"}
    completed = subprocess.run(
        ("sh", "-c", script), env={**environ, **variables}, capture_output=True, check=False, timeout=60
    )
    return completed.returncode, calls.read_text().splitlines()


def test_libraries_are_fetched_beside_torch_and_installed_behind_it(script: str, tmp_path: Path) -> None:
    code, calls = run(script, tmp_path, TORCHPIN_MIRROR_PYPI="https://mirror/pypi")
    channel = next(call for call in calls if call.startswith(f"venv {TORCH} ")).split()[2]
    assert code == 0
    assert sorted(calls[:2]) == [
        f"ahead {LIBRARY} https://mirror/pypi hardlink", f"venv {TORCH} {channel} hardlink",
    ]  # fmt: skip
    assert channel.endswith("/whl/cu128")
    assert calls[2:] == [f"venv {LIBRARY} https://mirror/pypi hardlink", "settled"]


def test_what_cannot_be_fetched_ahead_is_fetched_by_its_install(script: str, tmp_path: Path) -> None:
    code, calls = run(script, tmp_path, FAILING=f"ahead:{LIBRARY}")
    assert (code, calls[2:]) == (0, [f"venv {LIBRARY} PyPI hardlink", "settled"])


@pytest.mark.parametrize("failing", [TORCH, LIBRARY])
def test_an_install_that_fails_fails_the_step(script: str, tmp_path: Path, failing: str) -> None:
    code, calls = run(script, tmp_path, FAILING=f"venv:{failing}")
    assert code != 0
    assert "settled" not in calls


def test_with_kept_downloads_nothing_is_written_ahead(script: str, tmp_path: Path) -> None:
    code, calls = run(script, tmp_path, KEEP_DOWNLOADS="1")
    assert code == 0
    assert [call.split()[:2] for call in calls[:-1]] == [["venv", TORCH], ["venv", LIBRARY]]
    assert all(call.endswith(" copy") for call in calls[:-1])
