"""Standard streams that are closed, full, or read no further: no traceback, and nothing is left half done."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import ROOT, tree

PROGRAMS = {
    "invoke": (sys.executable, "-m", "invoke"),
    "torchpin": (sys.executable, "-c", "from torchpin.cli.entry import main; main()"),
}
FULL = "standard output: No space left on device; what was printed is incomplete\n"
COMMANDS = ("--list", "judge --json", "explain GPU001", "judge --help")
every_program = pytest.mark.parametrize("program", PROGRAMS)
every_command = pytest.mark.parametrize(
    ("program", "words"),
    [
        *((program, words) for program in PROGRAMS for words in COMMANDS),
        # `invoke` itself prints these before it reads tasks.py
        ("torchpin", "--help"),
        ("torchpin", "--version"),
    ],
)


def run(
    program: str, words: str, redirections: str = "", *, folder: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command line in a shell, with its redirections; the exit code is the program's own."""
    return subprocess.run(
        ("bash", "-c", f"{shlex.join(PROGRAMS[program])} {words} {redirections}; exit ${{PIPESTATUS[0]}}"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@every_command
def test_a_reader_that_is_gone_ends_the_program_as_sigpipe_does(program: str, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        (*PROGRAMS[program], *words.split()),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


@every_command
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_a_message(program: str, words: str) -> None:
    result = run(program, words, ">/dev/full")
    assert (result.returncode, result.stderr) == (3, FULL)


@every_program
@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(program: str, redirections: str) -> None:
    result = run(program, "services", redirections)
    assert (result.returncode, result.stderr) == (0, "")
    assert (result.stdout == "") is (" >&-" in f" {redirections}")


@every_program
def test_an_encoding_that_lacks_characters_is_no_error(program: str) -> None:
    words = "explain ADO016"  # whose page has a character that ASCII lacks
    result = run(program, words, PYTHONIOENCODING="ascii:strict")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    assert not run(program, words, PYTHONIOENCODING="utf-8").stdout.isascii(), "nothing to escape"


@pytest.mark.parametrize("words", ["render", "document", "new --service other"])
def test_a_command_that_writes_is_done_to_its_end(words: str, copy: Path, tmp_path: Path) -> None:
    (copy / "docker" / "lora-gpu" / "Dockerfile").unlink()
    (copy / "DEVIATIONS.md").unlink()
    expected = tmp_path / "expected"
    shutil.copytree(copy, expected)
    whole = run("invoke", words, folder=expected)
    cut = run("invoke", words, "| true", folder=copy)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert (cut.returncode in {0, 141}, cut.stderr) == (True, "")
    assert tree(copy) == tree(expected)
