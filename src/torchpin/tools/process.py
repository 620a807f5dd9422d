"""The only door to subprocess and to writing files."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


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
        done = subprocess.run(
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
    if check and done.returncode:
        raise ToolError(failure(command, done.returncode, done.stdout, done.stderr))
    return done


def run_with_input(
    command: Sequence[str], text: str, *, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that reads a text; it may fail."""
    return subprocess.run(
        command, input=text, env=env, capture_output=True, text=True, errors="replace", check=False
    )


def failure(command: Sequence[str], code: int, *streams: str) -> str:
    """The whole story of a failed command."""
    said = "\n".join(text.rstrip() for text in streams if text.strip())
    indented = "\n".join(f"    {line}" for line in said.splitlines())
    return f"`{shlex.join(command)}` ended with {code}:\n{indented or '    (it said nothing)'}"


@contextmanager
def streamed(
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


def end_all() -> None:
    """Ends the commands that other threads are following: an interrupt reaches the main thread only."""
    for process in tuple(_RUNNING):
        process.terminate()


def passed_on(command: Sequence[str]) -> int:
    """A command that people see and type into; its exit code."""
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise ToolError(
            f"{command[0]} is not on this machine. Run `invoke doctor` for what to install."
        ) from None


def which(program: str) -> str | None:
    return shutil.which(program)


def read(path: Path) -> str | None:
    """A file's text, None where there is none. Raises ToolError for what is no text file."""
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise ToolError(
            f"{path} is a directory, where a file belongs. Move it away, then try again."
        ) from None
    except UnicodeDecodeError:
        raise ToolError(f"{path} is not a UTF-8 text file. Save it as one, then try again.") from None


def write(files: Mapping[Path, str | None]) -> tuple[Path, ...]:
    """All files or, if staging one fails, none: texts that differ are staged beside their places, then renamed.

    None removes a file. Answers the paths that changed.
    """
    changed = {path: text for path, text in files.items() if read(path) != text}
    staged: dict[Path, Path] = {}
    try:
        for path, text in changed.items():
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                staged[path] = Path(name)
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode())
                staged[path].chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        for path in changed:
            if path in staged:
                staged.pop(path).replace(path)
            else:
                path.unlink()
    except OSError as error:
        raise ToolError(f"{error.filename}: {error.strerror}. No file was left half-written.") from None
    finally:
        for left in staged.values():
            left.unlink(missing_ok=True)
    return tuple(sorted(changed))
