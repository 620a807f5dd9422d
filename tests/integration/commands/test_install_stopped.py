"""A venv that was stopped while it was made is made again; a folder that is not torchpin's is not cleared."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, read_environment
from torchpin.commands.install import _make_venv, require_replaceable
from torchpin.errors import InputError, ToolError
from torchpin.tools import process

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Environment


@pytest.fixture
def local_env() -> Environment:
    return read_environment(DESCRIPTION.replace("3.10.14", platform.python_version()))


def make_venv(env: Environment, into: Path) -> None:
    into.parent.mkdir(exist_ok=True)
    _make_venv(env, into, {**os.environ}, into.parent)
    assert (into / "pyvenv.cfg").is_file()
    assert not (into.parent / f".{into.name}.unfinished").exists()


def test_a_venv_that_was_stopped_is_made_again(local_env: Environment, tmp_path: Path) -> None:
    into = tmp_path / ".venvs" / "lora-gpu"
    make_venv(local_env, into)
    make_venv(local_env, into)
    (into / "pyvenv.cfg").unlink()
    (into.parent / ".lora-gpu.unfinished").touch()
    make_venv(local_env, into)


def test_a_folder_of_somebody_is_not_cleared(local_env: Environment, tmp_path: Path) -> None:
    into = tmp_path / "mine"
    into.mkdir()
    (into / "file").write_text("mine\n")
    for _ in range(2):
        with pytest.raises(ToolError, match="not a virtual environment"):
            make_venv(local_env, into)
    assert (into / "file").read_text() == "mine\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_venv_of_somebody_is_not_replaced(local_env: Environment, tmp_path: Path) -> None:
    into = tmp_path / "mine"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(into)), check=True)
    with pytest.raises(
        InputError, match=r"mine is a virtual environment that `invoke install` did not make; r"
    ):
        require_replaceable(into)
    require_replaceable(tmp_path / "new")
    make_venv(local_env, tmp_path / "own")
    require_replaceable(tmp_path / "own")
    (tmp_path / ".mine.unfinished").touch()
    require_replaceable(into)


def test_a_pipe_in_the_place_of_the_checkout_s_settings_is_not_waited_for(
    local_env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv reads the settings of its folder and of those above it."""
    checkout, folder = tmp_path / "checkout", tmp_path / "folder"
    checkout.mkdir()
    folder.mkdir()
    for name in ("pyproject.toml", "uv.toml"):
        os.mkfifo(checkout / name)
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(process, "LONG", 20)
    _make_venv(local_env, checkout / "venv", {**os.environ}, folder)
    assert (checkout / "venv/pyvenv.cfg").is_file()
