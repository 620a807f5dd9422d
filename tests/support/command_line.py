"""The command line on a folder, and edits of the files that it reads."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from invoke import Program

from torchpin import __version__, paths
from torchpin.cli.main import namespace

ROOT = Path(__file__).parents[2]
LOCK = "lockfiles/lora-gpu"
DOCUMENTS = ("docs/PINNING.md", "DEVIATIONS.md", "docs/GPUS.md", "docs/CHECKS.md")
SERVICE_PAGES = tuple(
    f"docs/services/{name}.md" for name in ("coaxial", "lora", "seedvr", "videogen", "zopilot")
)
DESCRIPTION = "services/lora/service.yaml"


@dataclass(frozen=True)
class CommandResult:
    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err


def run_process(folder: Path, *arguments: str, source: Path = ROOT) -> CommandResult:
    """The real command line in a process of its own; `source` is whose torchpin it is."""
    environment = {**os.environ, "PYTHONPATH": str(source / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        (sys.executable, "-m", "invoke", *arguments),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return CommandResult(result.returncode, result.stdout, result.stderr)


def run_command(folder: Path, *arguments: str) -> CommandResult:
    """The same command line in this process, which is quicker."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                Program(name="torchpin", version=__version__, namespace=namespace).run(
                    ["torchpin", *arguments]
                )
            except SystemExit as system_exit:
                code = int(system_exit.code or 0)
    return CommandResult(code, out.getvalue(), err.getvalue())


def tree(folder: Path) -> dict[str, bytes]:
    """Every file, empty folders too; but what checks keep for the next run, as they may anywhere."""
    kept = {paths.WORK, f"{paths.WORK}/.gitignore", paths.KEPT}
    return {
        name: content
        for name, content in whole_tree(folder).items()
        if name not in kept and not name.startswith(f"{paths.KEPT}/")
    }


def whole_tree(folder: Path) -> dict[str, bytes]:
    """Every file, empty folders too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"/"
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def replace_text(folder: Path, name: str, before: str, after: str) -> None:
    """One text in a file replaced, which must be there once."""
    path = folder / name
    text = path.read_bytes().decode()
    assert text.count(before) == 1, (name, before, text.count(before))
    path.write_bytes(text.replace(before, after).encode())


def different_character(character: str) -> str:
    """Another character of the same kind, so that the file looks as right as before."""
    if character.isdigit():
        return str((int(character) + 1) % 10)
    return {"z": "a", "f": "a"}.get(character, chr(ord(character) + 1)) if character.isalpha() else "~"


def change_character(folder: Path, name: str, offset: int) -> None:
    path = folder / name
    text = path.read_bytes().decode()
    path.write_bytes((text[:offset] + different_character(text[offset]) + text[offset + 1 :]).encode())


def fail_if_called(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError("this was to be refused before")
