"""Numbers with what they count, bytes, and lists of names, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((10**9, "GB", 1), (10**6, "MB", 0), (10**3, "kB", 0))  # bytes, name, digits after the decimal point


def noun(number: int, singular: str, plural: str = "") -> str:
    """`file` for 1, `files` for any other number. `plural`: where it is not the singular with an s."""
    return singular if number == 1 else plural or f"{singular}s"


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 file`, `2 files`, `1,336 files`."""
    return f"{number:,} {noun(number, singular, plural)}"


def join_names(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *leading, last = names
    return f"{', '.join(leading)} and {last}" if leading else last


def format_bytes(number: int) -> str:
    """7.2 GB, 310 MB."""
    for unit, name, digits in _UNITS:
        if number >= unit:
            return f"{number / unit:,.{digits}f} {name}"
    return f"{number} B"


def format_megabytes(number: float, *, digits: int = 0) -> str:
    """310 MB, 7,215 MB: bytes in megabytes whatever their number, for sizes that are compared with each other."""
    return f"{number / 1e6:,.{digits}f} MB"
