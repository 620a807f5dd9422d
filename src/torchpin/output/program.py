"""The program that was called, and messages that name it: their texts say `invoke lock`, whichever program that is."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

INVOKE, TORCHPIN = "invoke", "torchpin"
# A command line: after a backtick, or alone on its line. "to invoke a task" stays as it is.
COMMAND_LINE = re.compile(r"(?:(?<=`)|^[ ]*)invoke(?=[ `]|$)", re.MULTILINE)
_called = [INVOKE]


@contextmanager
def called_as(program: str) -> Iterator[None]:
    """Until its end, messages name this program."""
    _called.append(program)
    try:
        yield
    finally:
        _called.pop()


def program_name() -> str:
    return _called[-1]


def name_program(message: str) -> str:
    """A message with its command lines as the called program has them."""
    if program_name() == INVOKE:
        return message
    return COMMAND_LINE.sub(lambda match: match[0].replace(INVOKE, program_name()), message)
