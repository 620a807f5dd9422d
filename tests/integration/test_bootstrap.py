"""bootstrap.py, for real, on a copy of what it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.terminals import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SETTING_UP = re.compile(r"torchpin: creating \.venv \(once\)…\ntorchpin: created \.venv \(once, \d+ s\)\n")
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX's folders and signals"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a space in its path, its environment made in a hostile place."""
    checkout = tmp_path_factory.mktemp("bootstrap") / "check out"
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    for file in ("bootstrap.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    elsewhere = str(checkout.parent / "elsewhere")
    hostile = {
        "PIP_NO_DEPS": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_TARGET": elsewhere,
        "PYTHONPATH": elsewhere,
        "UV_SYSTEM_PYTHON": "1",
        "VIRTUAL_ENV": elsewhere,
    }
    script = (
        "import flit_core, nox, os, torchpin, uv; print(os.environ['VIRTUAL_ENV']); print(torchpin.__file__)"
    )
    result = run_bootstrap(checkout, "python", "-c", script, environ=hostile)
    assert result.returncode == 0
    assert SETTING_UP.fullmatch(result.stderr)
    assert result.stdout.splitlines() == [
        str(checkout / ".venv"),
        str(checkout / "src" / "torchpin" / "__init__.py"),
    ]
    assert not Path(elsewhere).exists()
    return checkout


def run_bootstrap(
    home: Path, *command: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, str(home / "bootstrap.py"), *command),
        cwd=home.parent,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def keep_requirements(home: Path, *names: str) -> None:
    """Only these of the locked packages are to be installed, which takes less time."""
    file = home / "requirements" / "run.txt"
    pins = re.findall(r"^(?:\S.*\\\n)(?:[ ].*\n)+", file.read_text(), re.MULTILINE)
    kept = [pin for pin in pins if pin.partition("==")[0] in names]
    assert len(kept) == len(names)
    file.write_text("".join(kept))


def modification_times(home: Path) -> dict[str, int]:
    return {
        str(path): path.lstat().st_mtime_ns
        for path in home.rglob("*")
        if path.name != "__pycache__" and path.suffix != ".pyc"
    }


def test_the_second_time_nothing_is_touched_and_nothing_said(home: Path) -> None:
    before = modification_times(home)
    start = time.monotonic()
    result = run_bootstrap(home, "python", "-c", "print('here')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "here\n", "")
    assert time.monotonic() - start < 2
    assert modification_times(home) == before


def test_programs_run_and_their_exit_code_is_passed_on(home: Path) -> None:
    assert run_bootstrap(home, "nox", "--version").returncode == 0
    assert run_bootstrap(home, "invoke", "--version").stdout.startswith("Invoke ")
    assert run_bootstrap(home, "python", "-c", "raise SystemExit(7)").returncode == 7
    result = run_bootstrap(home, "no-such-command")
    assert result.returncode == 2
    assert result.stderr.startswith("torchpin: command `no-such-command` not found in ")


def test_exactly_what_is_locked_is_installed(home: Path) -> None:
    result = run_bootstrap(home, "uv", "pip", "freeze", "--exclude-editable")
    locked = {
        line.split(" ")[0]
        for line in (home / "requirements" / "run.txt").read_text().splitlines()
        if "==" in line
    }
    installed = {
        line for line in result.stdout.splitlines() if not line.startswith(("pip==", "setuptools=="))
    }
    assert installed
    assert installed <= locked


def test_what_is_stale_or_half_made_is_made_again_once_even_for_two(home: Path) -> None:
    leftover = home / ".venv" / "left-over"
    leftover.touch()
    shutil.rmtree(next((home / ".venv" / "lib").glob("python*/site-packages/packaging")))
    keep_requirements(home, "flit-core", "packaging")
    command = (sys.executable, str(home / "bootstrap.py"), "python", "-c", "import packaging, torchpin")
    processes = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") for _ in range(2)
    ]
    messages = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    first, second = sorted(messages)
    assert first == ""
    assert SETTING_UP.fullmatch(second)
    assert not leftover.exists()


def test_on_a_terminal_one_line_says_what_is_done_and_how_long_it_took(home: Path) -> None:
    with (home / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    command = (sys.executable, str(home / "bootstrap.py"), "python", "-c", "print('started')")
    shown = run_on_terminal(command, home, columns=60)
    assert shown.exit_code == 0
    assert "torchpin: creating .venv (once): an empty environment 0 s" in shown.text
    # the line is drawn five times a second, so what takes less time may be missing
    assert re.search(
        r"torchpin: creating \.venv \(once\): (packages|package \d+ of \d+, [a-z]|installing \d)", shown.text
    )
    assert [line for line in shown.text.splitlines() if len(line) >= 60] == []
    # what was written over is gone: the rest of the screen is one line, and what the command prints
    last = shown.written.rpartition("\r\x1b[2K")[2].replace("\r\n", "\n")
    assert re.fullmatch(r"torchpin: created \.venv \(once, \d+ s\)\nstarted\n", last)


def test_a_failed_set_up_tells_why_and_is_never_used(home: Path) -> None:
    (home / "requirements" / "run.txt").write_text(f"invoke==3.0.3 --hash=sha256:{'0' * 64}\n")
    result = run_bootstrap(home, "python", "-c", "print('never')")
    assert (result.returncode, result.stdout) == (3, "")
    assert "DO NOT MATCH THE HASHES" in result.stderr
    assert "Collecting" not in result.stderr
    assert result.stderr.endswith("the next run starts again from nothing\n")
    assert not (home / ".venv" / ".stamp").exists()
