"""Lines, raw texts and questions for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.controls import show_controls
from torchpin.errors import UnansweredError
from torchpin.output.console import console, print_lines, redacted
from torchpin.output.volume import is_quiet, shown_message

if TYPE_CHECKING:
    from torchpin.adopt.draft_values import OpenValue
    from torchpin.bump.model import Opening


def print_line(message: object) -> None:
    print_lines(console(), Text(str(message)))


def print_status(message: object) -> None:
    """A message for people, to stderr: programs may read stdout. A quiet task has none."""
    if is_quiet():
        return
    print_lines(console(sys.stderr), Text(str(message), style="dim"))


def print_notice(message: object) -> None:
    """What a command skips or leaves to do, to stderr; even if the task is quiet."""
    print_lines(console(sys.stderr), Text(str(message), style="yellow"))


def print_error(message: object) -> None:
    print_lines(console(sys.stderr), Text(shown_message(str(message)), style="red"))


def confirm(question: str) -> bool:
    """Asks a yes-or-no question on a terminal; True without asking where stdin or stdout is none."""
    if not _is_interactive():
        return True
    return _ask(f"{question} [y/N] ").lower() in {"y", "yes"}


def _ask(question: str) -> str:
    """A line from the terminal. Raises UnansweredError where the input ends instead: questions come before any change."""
    try:
        return input(question).strip()
    except EOFError:
        print_line("")  # the question's line has not ended
        raise UnansweredError("not answered; nothing was changed") from None


def _is_interactive() -> bool:
    # Python sets a stream to None whose file descriptor is closed
    return bool(sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty())


def ask_reason(opening: Opening) -> str:
    """Asks for a reason on a terminal; "" without an answer, and without asking where stdin or stdout is no terminal."""
    if not _is_interactive():
        return ""
    print_line(opening.message)
    otherwise = "keep the present one" if opening.is_review else "leave it open"
    return _ask(f"Reason for {opening.key} (empty: {otherwise}): ")


def ask_value(value: OpenValue) -> str:
    """Asks for a value on a terminal; "" without an answer, and without asking where stdin or stdout is no terminal."""
    if not _is_interactive():
        return ""
    print_notice(f"{value.key}: {value.text}")
    return _ask(f"{value.key}, such as {value.example} (empty: leave it open): ")


def print_raw(content: str) -> None:
    redacted(sys.stdout).write(show_controls(content))
