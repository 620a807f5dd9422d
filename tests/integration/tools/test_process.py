"""Processes end within their bounds, and their output is kept whole."""

from __future__ import annotations

import sys
import time

import pytest

from torchpin.errors import ToolError
from torchpin.tools import process

PYTHON = (sys.executable, "-c")


def test_both_streams_are_kept_whole_whatever_their_size() -> None:
    script = "import sys; sys.stderr.write('e' * 300_000); sys.stdout.write('é\\r\\n' * 300_000)"
    completed = process.run((*PYTHON, script), timeout=process.QUICK)
    assert (completed.stdout, completed.stderr) == ("é\n" * 300_000, "e" * 300_000)


def test_a_text_is_the_standard_input() -> None:
    script = "import sys; print(sys.stdin.read().upper())"
    assert process.run((*PYTHON, script), text="é" * 100_000).stdout == "É" * 100_000 + "\n"


def test_an_exit_code_is_an_error_unless_it_is_not_checked() -> None:
    with pytest.raises(ToolError, match=r"failed with exit code 3:\n    no$"):
        process.run((*PYTHON, "import sys; sys.exit(print('no') or 3)"))
    assert process.run((*PYTHON, "raise SystemExit(3)"), check=False).returncode == 3
    with pytest.raises(ToolError, match="no-such-program is not installed"):
        process.run(("no-such-program",))


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "import time\nwhile True: print(end='.', flush=True), time.sleep(0.1)",
        "import subprocess, sys; subprocess.run((sys.executable, '-c', 'import time; time.sleep(6)'))",
    ],
    ids=["silent", "slow", "a child that keeps the streams open"],
)
def test_a_process_that_does_not_end_is_stopped(script: str) -> None:
    start = time.monotonic()
    with pytest.raises(ToolError, match=r"took longer than 0.5 s, and was ended"):
        process.run((*PYTHON, script), timeout=0.5)
    assert time.monotonic() - start < 5


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE", 0.2)
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
    start = time.monotonic()
    with pytest.raises(ToolError, match="took longer than"):
        process.run((*PYTHON, script), timeout=1)
    assert time.monotonic() - start < 10


def test_endless_output_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_OUTPUT", 1_000_000)
    with pytest.raises(ToolError, match="printed more than 1000000 bytes and was stopped"):
        process.run((*PYTHON, "while True: print('x' * 1000)"), timeout=60)


def test_what_is_watched_may_stop_a_process() -> None:
    def refuse() -> None:
        raise ToolError("enough")

    with pytest.raises(ToolError, match="enough"):
        process.run((*PYTHON, "import time; time.sleep(60)"), watch=refuse)


def test_lines_of_progress_are_heard_and_are_no_output() -> None:
    script = (
        "import sys, time\n"
        "for text in ('DEBUG a\\nDEB', 'UG b\\r', '10%\\r20%\\r\\n', 'error: no\\n', 'DEBUG c'):\n"
        "    sys.stderr.write(text); sys.stderr.flush(); time.sleep(0.05)\n"
        "print('DEBUG of stdout')"
    )
    heard: list[str] = []

    def listen(line: str) -> bool:
        heard.append(line)
        return line.startswith("DEBUG") or line.endswith("%")

    completed = process.run((*PYTHON, script), listen=listen)
    assert heard == ["DEBUG a", "DEBUG b", "10%", "20%", "error: no", "DEBUG c"]
    assert completed.stderr == "error: no\n"
    assert completed.stdout == "DEBUG of stdout\n"


def test_progress_may_be_longer_than_any_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_OUTPUT", 100_000)
    script = "import sys\nfor _ in range(300): sys.stderr.write('x' * 1000 + '\\n')"
    assert process.run((*PYTHON, script), listen=lambda _: True).stderr == ""
    with pytest.raises(ToolError, match="printed more than 100000 bytes"):
        process.run((*PYTHON, script), listen=lambda _: False)
