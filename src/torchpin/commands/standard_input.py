"""Standard input, read whole within a bound."""

from __future__ import annotations

import sys

from torchpin.errors import InputError

_MOST_BYTES = 20_000_000  # as of a file


def read_standard_input() -> str:
    """The text of standard input. Raises InputError for what is no UTF-8, for too much of it, and where it is closed."""
    if sys.stdin is None:  # its file descriptor is closed
        raise InputError("standard input is closed")
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(f"standard input has more than {_MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"standard input is not UTF-8 text at line {line}, byte {error.start}") from None
