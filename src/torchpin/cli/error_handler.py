"""The one place where errors become a message and an exit code."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from invoke import Exit

from torchpin.errors import BUG, INTERRUPTED, TOOL, TorchpinError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def handle_errors() -> Iterator[None]:
    """Expected errors become a message. A bug is one line, a log with its traceback, and where to report it."""
    # a cancelled job clears up as an interrupted one does
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except Exit:
        raise
    except TorchpinError as error:
        _exit_with(error, error.exit_code)
    except KeyboardInterrupt:
        _exit_with("interrupted; no partial output was kept", INTERRUPTED)
    except OSError as error:
        _exit_with(f"{error.filename or 'this machine'}: {error.strerror or error}", TOOL)
    except Exception as error:  # noqa: BLE001 - whatever is left is a bug
        _report_bug(error)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _exit_with(message: object, exit_code: int) -> NoReturn:
    from torchpin.output.terminal import print_error

    print_error(message)
    raise Exit(code=exit_code) from None


def _report_bug(error: Exception) -> NoReturn:
    from torchpin.commands.crash import crash_text, write_crash_log
    from torchpin.output.crash import print_crash

    print_crash(error, write_crash_log(error), crash_text(error))
    raise Exit(code=BUG) from None
