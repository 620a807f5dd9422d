"""Ctrl-C at any moment: one line and exit code 130, also while modules are imported. It imports next to nothing itself."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from torchpin.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_RESEND_AFTER = 0.05  # seconds, until the code that swallowed an interrupt has ended
_commands = 0  # that are running, one in another


def handle_interrupts() -> None:
    """From now on an interrupt ends the program, or the command if one is running. One that is ignored stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_interrupt)
        sys.excepthook = _excepthook
        sys.unraisablehook = _unraisablehook


@contextmanager
def interruptible() -> Iterator[None]:
    """A running command: an interrupt is raised in it as KeyboardInterrupt, so that it clears up."""
    global _commands  # noqa: PLW0603 - signals are of the process
    _commands += 1
    try:
        yield
    finally:
        _commands -= 1


def _on_interrupt(_: int, __: FrameType | None) -> None:
    if _commands:
        raise KeyboardInterrupt
    _exit_interrupted()


def _exit_interrupted() -> NoReturn:
    """Before and after a command there is nothing to clear up, and Python may be starting or ending."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _excepthook(*exception: object) -> None:
    if exception[0] is KeyboardInterrupt:
        _exit_interrupted()
    sys.__excepthook__(*exception)  # type: ignore[arg-type] # the same three


def _unraisablehook(unraisable: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised in a callback of its own, as in the importer's; an interrupt comes again a moment later."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
        return
    import _thread
    from threading import Timer

    resend = Timer(_RESEND_AFTER, _thread.interrupt_main)
    resend.daemon = True
    resend.start()
