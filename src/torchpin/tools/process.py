"""Commands of other programs: run to their end, streamed, or handed the terminal; the only user of subprocess."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


_RUNNING: set[subprocess.Popen[str]] = set()


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its exit code and captured output.

    Raises ToolError, with the command and its output, when the program is missing, when it takes longer than `timeout`
    seconds or, unless `check` is False, when its exit code is not 0.
    """
    try:
        completed = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise command_not_found(command[0]) from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"`{shlex.join(command)}` took longer than {timeout:g} s, and was ended") from None
    if check and completed.returncode:
        raise ToolError(failure_message(command, completed.returncode, completed.stdout, completed.stderr))
    return completed


def run_with_input(
    command: Sequence[str], text: str, *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with a text as its standard input; its exit code is not checked."""
    return subprocess.run(
        command, input=text, env=env, capture_output=True, text=True, errors="replace", check=False
    )


def failure_message(command: Sequence[str], code: int, *streams: str) -> str:
    """The command, its exit code and its output, indented."""
    output = indent("\n".join(text.rstrip() for text in streams if text.strip()))
    return f"`{shlex.join(command)}` failed with exit code {code}" + (
        f":\n{output}" if output else " (no output)"
    )


def indent(text: str) -> str:
    """The lines of a program's output as they stand below a message."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def command_not_found(program: str) -> ToolError:
    return ToolError(f"{program} is not installed; run `invoke doctor` for what to install")


@contextmanager
def stream(
    command: Sequence[str], *, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A running command with stderr merged into stdout, read line by line; it is terminated when the block raises.

    Raises ToolError when the program is missing.
    """
    try:
        process = subprocess.Popen(
            command,
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
    """Run a command on the terminal and return its exit code. Raises ToolError when the program is missing."""
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise command_not_found(command[0]) from None


def which(program: str) -> str | None:
    return shutil.which(program)
