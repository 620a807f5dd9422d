"""The only door to subprocess and to writing files."""

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
    """A command to its end, output captured. Raises ToolError with the command and both streams when it fails."""
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
        raise ToolError(
            f"{command[0]} is not on this machine. Run `invoke doctor` for what to install."
        ) from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"`{shlex.join(command)}` did not end within {timeout:.0f} s.") from None
    if check and completed.returncode:
        raise ToolError(failure_message(command, completed.returncode, completed.stdout, completed.stderr))
    return completed


def run_with_input(
    command: Sequence[str], text: str, *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that reads a text; it may fail."""
    return subprocess.run(
        command, input=text, env=env, capture_output=True, text=True, errors="replace", check=False
    )


def failure_message(command: Sequence[str], code: int, *streams: str) -> str:
    """The whole story of a failed command."""
    output = "\n".join(text.rstrip() for text in streams if text.strip())
    indented = "\n".join(f"    {line}" for line in output.splitlines())
    return f"`{shlex.join(command)}` ended with {code}:\n{indented or '    (it said nothing)'}"


@contextmanager
def stream(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A running command whose two streams come as one, line by line; it does not outlive the block."""
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
        )
    except FileNotFoundError:
        raise ToolError(
            f"{command[0]} is not on this machine. Run `invoke doctor` for what to install."
        ) from None
    _RUNNING.add(process)
    with process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise
        finally:
            _RUNNING.discard(process)


def terminate_all() -> None:
    """Ends the commands that other threads are following: an interrupt reaches the main thread only."""
    for process in tuple(_RUNNING):
        process.terminate()


def run_interactive(command: Sequence[str]) -> int:
    """A command that people see and type into; its exit code."""
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise ToolError(
            f"{command[0]} is not on this machine. Run `invoke doctor` for what to install."
        ) from None


def which(program: str) -> str | None:
    return shutil.which(program)
