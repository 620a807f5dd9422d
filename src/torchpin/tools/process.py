"""Commands of other programs: run to their end, streamed, or handed the terminal; the only user of subprocess."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


# Bounds in seconds, each far beyond what a machine needs that works.
QUICK = 60  # what answers from this machine: a version, a setting
QUERY = 600  # what asks a server
LONG = 3600  # a resolution, which may build packages; a test of an installation
_GRACE = 5  # seconds for a program to end by itself
_MOST_OUTPUT = 50_000_000  # bytes; the tags of the largest repositories are some ten million
_LINE_END = re.compile(rb"[\r\n]+")
_RUNNING: set[subprocess.Popen[str]] = set()


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    text: str | None = None,
    timeout: float | None = None,
    watch: Callable[[], None] | None = None,
    listen: Callable[[str], bool] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its exit code and captured output; `text` is its standard input.

    `timeout` bounds its time, in seconds; without a bound, the caller says why. `watch` is called once a second, and may raise.
    `listen` gets each line of stderr when it comes, and says whether it was progress, which is not a part of the output.
    Raises ToolError, with the command and its output, when the program is missing, takes longer, prints more than any
    of them does or, unless `check` is False, when its exit code is not 0.
    """
    with tempfile.TemporaryFile() as stdin:
        stdin.write((text or "").encode())
        stdin.seek(0)
        with _started(command, cwd, env, None if text is None else stdin) as process:
            output = _read_streams(process, command, timeout, watch, listen)
            code = process.wait()
    stdout, stderr = (content.decode(errors="replace").replace("\r\n", "\n") for content in output)
    if check and code:
        raise ToolError(failure_message(command, code, stdout, stderr))
    return subprocess.CompletedProcess(command, code, stdout, stderr)


@contextmanager
def _started(
    command: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, stdin: IO[bytes] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended when the block raises; its pipes are closed, whoever else holds their other ends."""
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError:
        raise command_not_found(command[0]) from None
    with process:
        try:
            yield process
        except BaseException:  # an interrupt too: the program must not outlive the command
            process.terminate()  # git ends its helpers, and clears up
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _read_streams(
    process: subprocess.Popen[bytes],
    command: Sequence[str],
    timeout: float | None,
    watch: Callable[[], None] | None,
    listen: Callable[[str], bool] | None,
) -> tuple[bytes, bytes]:
    """What a process prints until it has closed both streams. Raises ToolError beyond a bound."""
    parts: dict[Any, list[bytes]] = {process.stdout: [], process.stderr: []}
    lines = _Lines(listen) if listen else None
    deadline = None if timeout is None else time.monotonic() + timeout
    size, name = 0, shlex.join(command[:3])
    with selectors.DefaultSelector() as selector:
        for stream in parts:
            selector.register(stream, selectors.EVENT_READ)
        next_watch = time.monotonic() + 1
        while selector.get_map():
            for key, _ in selector.select(1):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fileobj)
                if lines and key.fileobj is process.stderr:
                    chunk = lines.without_progress(chunk)
                parts[key.fileobj].append(chunk)
                size += len(chunk)
            now = time.monotonic()
            if deadline is not None and now > deadline:
                raise ToolError(f"`{shlex.join(command)}` took longer than {timeout:g} s, and was ended")
            if size > _MOST_OUTPUT:
                raise ToolError(f"`{name} …` printed more than {_MOST_OUTPUT} bytes and was stopped")
            if watch and now > next_watch:
                watch()
                next_watch = time.monotonic() + 1
    return b"".join(parts[process.stdout]), b"".join(parts[process.stderr])


class _Lines:
    """The lines of a stream, which git ends with a carriage return where the next one is to replace them."""

    def __init__(self, listen: Callable[[str], bool]) -> None:
        self._listen, self._begun = listen, b""

    def without_progress(self, chunk: bytes) -> bytes:
        """The lines completed by this chunk that are not progress; an empty chunk ends the stream."""
        *lines, self._begun = _LINE_END.split(self._begun + chunk) if chunk else [self._begun, b""]
        return b"".join(
            line + b"\n" for line in lines if line and not self._listen(line.decode(errors="replace"))
        )


def failure_message(command: Sequence[str], code: int, *streams: str) -> str:
    """The command, its exit code and its output, indented."""
    output = indent("\n".join(text.rstrip() for text in streams if text.strip()))
    return f"`{shlex.join(command)}` failed with exit code {code}" + (
        f":\n{output}" if output else " (no output)"
    )


def plain_environment() -> dict[str, str]:
    """The environment variables without those that would make another Python use the packages of torchpin's."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def indent(text: str) -> str:
    """The lines of a program's output as they stand below a message."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def command_not_found(program: str) -> ToolError:
    return ToolError(f"{program} is not installed; install it, `invoke doctor` says how")


@contextmanager
def stream(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A running command with stderr merged into stdout, read line by line; it is terminated when the block raises.

    Raises ToolError when the program is missing.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,  # line by line, so that progress is shown while the command runs
        )
    except FileNotFoundError:
        raise command_not_found(command[0]) from None
    _RUNNING.add(process)
    with process:
        try:
            yield process
        except BaseException:  # an interrupt too: the program must not outlive the command
            process.terminate()
            raise
        finally:
            _RUNNING.discard(process)


def terminate_all() -> None:
    """Terminate the commands that other threads stream: Python raises KeyboardInterrupt in the main thread only."""
    for process in tuple(_RUNNING):
        process.terminate()


def run_interactive(command: Sequence[str]) -> int:
    """Run a command on the terminal and return its exit code. Raises ToolError when the program is missing.

    Its output is not redacted: it is the container's own and belongs to the user, whose program may need the terminal
    itself; what torchpin prints around it goes through the redacted streams.
    """
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise command_not_found(command[0]) from None


def which(program: str) -> str | None:
    return shutil.which(program)
