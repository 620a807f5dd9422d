"""The one place where errors become a message and an exit code."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from invoke import Exit

from torchpin.cli.interrupts import interruptible
from torchpin.errors import BUG, INTERRUPTED, TOOL, TorchpinError, os_error_reason
from torchpin.output.streams import output_exit_code, print_plain_error

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def handle_errors() -> Iterator[None]:
    """Expected errors become a message. A bug is one line, a log with its traceback, and where to report it."""
    end = None
    try:
        with _errors_as_messages():
            yield
    except Exit as raised:
        end = raised
    exit_code = output_exit_code(end.code if end else 0)
    if end and end.code == exit_code:
        raise end
    if exit_code:
        raise Exit(code=exit_code)


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    previous = _handle_signals()
    try:
        with interruptible():
            yield
    except Exit:
        raise
    except TorchpinError as error:
        _exit_with(error, error.exit_code)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            print_plain_error("interrupted; no partial output was kept")
        raise Exit(code=INTERRUPTED) from None
    except OSError as error:
        _exit_with(os_error_reason(error), TOOL)
    except Exception as error:  # noqa: BLE001 - whatever is left is a bug
        _report_bug(error)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _handle_signals() -> dict[int, Any]:
    """A cancelled job, and a terminal that is closed, clear up as an interrupted command does; the handlers before.

    What is ignored, as with nohup, stays ignored.
    """
    numbers = [
        number
        for name in ("SIGTERM", "SIGHUP")
        if (number := getattr(signal, name, None)) and signal.getsignal(number) != signal.SIG_IGN
    ]
    return {number: signal.signal(number, _interrupt) for number in numbers}


def _interrupt(*_: object) -> NoReturn:
    # a closed terminal sends its signal twice, from the shell and from the system: the second must not stop the clearing up
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) == _interrupt:
            signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(*_: object) -> None:
    """Do nothing: unlike SIG_IGN, this does not pass to programs that are started."""


def _exit_with(message: object, exit_code: int) -> NoReturn:
    from torchpin.output.terminal import print_error

    print_error(message)
    raise Exit(code=exit_code) from None


def _report_bug(error: Exception) -> NoReturn:
    from torchpin.commands.crash import crash_text, write_crash_log
    from torchpin.output.crash import print_crash

    print_crash(error, write_crash_log(error), crash_text(error))
    raise Exit(code=BUG) from None
