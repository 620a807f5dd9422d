"""Processes of torchpin's command line that start at once: forks of one that has imported everything.

A fork is a process of its own, with its own session, folder, variables, streams and end, but begins where the imports are done.
How commands behave before that (interrupts, closed streams) is tested on new processes, in `tests/integration/cli`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]


class ForkedCommand:
    """A command that was started; its methods are those of `subprocess.Popen`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("r")
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            readable, _, _ = select.select([self._connection], [], [], timeout)
            if not readable:
                raise subprocess.TimeoutExpired("a forked command", timeout or 0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


StartedCommand = subprocess.Popen[bytes] | ForkedCommand


class Forks:
    """A process that forks commands."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests

    def start(
        self, *arguments: str, folder: Path, environ: Mapping[str, str], output: IO[bytes]
    ) -> ForkedCommand:
        """torchpin with these arguments; it reads nothing, and `output` gets all that it prints."""
        request = json.dumps({"arguments": arguments, "folder": str(folder), "environ": {**environ}})
        ours, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("rb") as nothing:
            descriptors = [theirs.fileno(), nothing.fileno(), output.fileno(), output.fileno()]
            socket.send_fds(self._requests, [request.encode()], descriptors)
        return ForkedCommand(ours)


def can_fork() -> bool:
    """Whether this machine is told of the end of a process by a descriptor, as Linux does."""
    return hasattr(os, "pidfd_open")


@contextmanager
def open_forks(environ: Mapping[str, str]) -> Iterator[Forks]:
    """Commands can be forked until the end; variables that Python reads at its start are those of `environ`."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            (sys.executable, "-c", f"from support.fork_server import run; run({theirs.fileno()})"),
            env={**environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # an interrupt at the terminal is for the tests
        )
    with server, requests:
        yield Forks(requests)
