"""Commands on a terminal: what they write to it, and whether they leave it as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, kw_only=True, slots=True)
class TerminalRun:
    """What a command wrote to a terminal, escapes and all."""

    exit_code: int
    written: str

    @property
    def text(self) -> str:
        """All that was ever shown, without escapes; lines that were written over stand there too."""
        return _ESCAPE.sub("", self.written).replace("\r\n", "\n").replace("\r", "\n")

    @property
    def cursor_is_visible(self) -> bool:
        return self.written.rfind(SHOW) >= self.written.rfind(HIDE)


def run_on_terminal(
    command: Sequence[str],
    cwd: Path,
    *,
    environ: Mapping[str, str] | None = None,
    columns: int = 80,
    interrupt_at: str = "",
    number: signal.Signals | None = None,
    timeout: float = 300,
) -> TerminalRun:
    """Runs a command on a terminal of its own; with `interrupt_at` it gets a signal once this text was written.

    The variables with which the caller's environment may give another size are not passed on.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**inherited, "TERM": "xterm-256color", **(environ or {})},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        written, deadline = b"", time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                chunk = os.read(controller, 1 << 16)
            except OSError:  # Linux, where the last process has closed the terminal
                break
            if not chunk:
                break
            written += chunk
            if number and interrupt_at and interrupt_at.encode() in written:
                process.send_signal(number)
                number = None
        os.close(controller)
        exit_code = process.wait(timeout=60)
    return TerminalRun(exit_code=exit_code, written=written.decode(errors="replace"))
