"""The standard streams: what cannot be written stops nothing and is told at the end; a closed stream is the null device."""

from __future__ import annotations

import atexit
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING

from torchpin.controls import show_controls
from torchpin.errors import BROKEN_PIPE, FINDINGS, TOOL
from torchpin.output.program import name_program

if TYPE_CHECKING:
    from typing import Any, TextIO

# A reader that went away: of a pipe, of a socket, and as Windows reports it.
_READER_GONE = {errno.EPIPE, errno.ECONNRESET, *({errno.EINVAL} if sys.platform == "win32" else ())}


class _GuardedFile(io.FileIO):
    """A descriptor whose first error is kept; then it becomes the null device, for child processes as well."""

    error: OSError | None = None

    def write(self, content: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # typeshed: Buffer
        remaining = memoryview(content).cast("B")
        size = len(remaining)
        while remaining:
            try:
                written = super().write(remaining)
            except OSError as error:
                self.error = error
                _become_null_device(self.fileno())
                return size
            if written is None:  # a pipe that does not block, and is full
                select.select((), (self,), ())
            else:
                remaining = remaining[written:]
        return size


_guarded: dict[str, _GuardedFile] = {}


def guard_streams() -> None:
    """Makes stdout and stderr of this process take everything: without errors, and in any encoding."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if not _is_open(descriptor):  # else the next file that is opened would be the standard stream
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if descriptor else "r"))
        elif descriptor and isinstance(stream, io.TextIOWrapper) and not _is_console(stream):
            _guarded[name] = _GuardedFile(descriptor, "w", closefd=False)
            setattr(sys, name, _text_stream(_guarded[name], stream))
    atexit.register(_exit_for_lost_output)


def _is_console(stream: TextIO) -> bool:
    """One of Windows takes text, and no bytes."""
    return sys.platform == "win32" and stream.isatty()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _text_stream(file: _GuardedFile, old: io.TextIOWrapper) -> TextIO:
    """A stream with the settings of the old one. What its encoding lacks is written as an escape."""
    old.flush()
    raw: Any = file
    return io.TextIOWrapper(
        raw
        if old.write_through
        else io.BufferedWriter(raw),  # as Python does with PYTHONUNBUFFERED, and without
        encoding=old.encoding,
        errors="backslashreplace",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


def _become_null_device(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def output_exit_code(exit_code: int) -> int:
    """The exit code of a command whose output is at its end: another one where stdout could not be written.

    A reader that went away (`| head`) has what it wanted: 141, as shells report a program that SIGPIPE ended. Any other
    error is a message and TOOL. The exit code of a command that failed stays.
    """
    file = _guarded.get("stdout")
    if file is None:
        return exit_code
    sys.stdout.flush()
    if file.error is None:
        return exit_code
    error, file.error = file.error, None
    if error.errno in _READER_GONE:
        lost = BROKEN_PIPE
    else:
        lost = TOOL
        print_plain_error(f"standard output: {error.strerror}; what was printed is incomplete")
    return lost if exit_code in {0, FINDINGS} else exit_code


def _exit_for_lost_output() -> None:
    """For what was printed outside of a task, such as `--list`: at exit no other way to change the exit code is left."""
    exit_code = output_exit_code(0)
    if exit_code:
        sys.stderr.flush()
        os._exit(exit_code)


def print_plain_error(message: str) -> None:
    """A message without style: no import is needed, which an interrupt may have broken."""
    sys.stderr.write(f"{show_controls(name_program(message))}\n")
    sys.stderr.flush()
