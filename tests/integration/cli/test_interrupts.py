"""Ctrl-C while modules are imported, and at any moment after the start: one line, exit code 130, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {
    "invoke": ("-m", "invoke", "judge"),
    "torchpin": ("-c", "from torchpin.cli.entry import main; main()", "judge"),
}
STEPS = 8  # interrupts of each program; a run takes some tenths of a second
LINES = {"interrupted\n", "interrupted; no partial output was kept\n"}
# Sends itself an interrupt when the module of this number is imported, counted from where a program's own imports begin.
INTERRUPTER = """
import atexit, os, signal, sys

class Interrupter:
    number = 0

    def find_spec(self, name, path=None, target=None):
        if self.number or name == "torchpin.cli.main":
            self.number += 1
            if self.number == int(os.environ["INTERRUPT_AT"]):
                os.kill(os.getpid(), signal.SIGINT)
        return None

interrupter = Interrupter()
sys.meta_path.insert(0, interrupter)
atexit.register(lambda: os.environ["INTERRUPT_AT"] == "0" and print("imports:", interrupter.number, file=sys.stderr))
"""


def start(program: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, *PROGRAMS[program]),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "dumb", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_during_any_import_is_one_line(program: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTER)
    path = f"{tmp_path}{os.pathsep}{ROOT / 'src'}"
    for _ in range(2):  # the second time with what is kept of the first, as all that follow
        _, err = start(program, PYTHONPATH=path, INTERRUPT_AT="0").communicate(timeout=60)
    imports = int(err.rpartition("imports: ")[2])
    assert imports > STEPS, "the command imports nothing that could be interrupted"
    for number in range(1, imports + 1, max(1, imports // STEPS)):
        process = start(program, PYTHONPATH=path, INTERRUPT_AT=str(number))
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err in LINES) == (130, True), f"import {number} of {imports}: {err}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_at_any_moment_shows_no_traceback_of_ours(program: str) -> None:
    """Before the first line of ours Python itself may show one, and at the end the command may be done."""
    begin = time.monotonic()
    start(program).communicate(timeout=60)
    took = time.monotonic() - begin
    codes = set()
    for step in range(STEPS):
        process = start(program)
        time.sleep(took * (step + 0.5) / STEPS)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        codes.add(process.returncode)
        assert str(ROOT / "src") not in err, err
        if process.returncode == 130:
            assert err in LINES
    assert 130 in codes
