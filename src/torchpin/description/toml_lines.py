"""Where the keys of a TOML text are written: the standard library's reader keeps no positions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = r"""(?:"[^"\\\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_NAMES = re.compile(_NAME)
_LINE = re.compile(rf"[ \t]*(?:\[[ \t]*(?P<table>{_KEY})[ \t]*\]|(?P<key>{_KEY})[ \t]*=)")
_MULTI_LINE_STRINGS = ('"""', "'''")  # whose lines may look like keys


class KeyLine(NamedTuple):
    """A key with the names of its table, and its line and column from 1; `value`: whether it is a key and not a table."""

    names: tuple[str, ...]
    line: int
    column: int
    value: bool


def key_lines(text: str) -> tuple[KeyLine, ...]:
    """The tables and keys of a valid TOML text, in its order; none of a text where lines may look like keys that are none."""
    if any(quotes in text for quotes in _MULTI_LINE_STRINGS):
        return ()
    lines: list[KeyLine] = []
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), start=1):
        match = _LINE.match(line)
        if not match:
            continue
        kind = "key" if match["key"] else "table"
        names = tuple(name[1:-1] if name[0] in "\"'" else name for name in _NAMES.findall(match[kind]))
        if kind == "table":
            table = names
        lines.append(
            KeyLine(
                names=table if kind == "table" else (*table, *names),
                line=number,
                column=match.start(kind) + 1,
                value=kind == "key",
            )
        )
    return tuple(lines)


def find_key(lines: Sequence[KeyLine], names: tuple[str, ...]) -> tuple[int, int]:
    """The line and column of a key or table, or of what it is written in or with; (0, 0) where that is not one place."""
    size = len(names)
    if not names:
        return 0, 0
    for matches in (
        [line for line in lines if line.names == names],
        [line for line in lines if line.names[:size] == names],  # a.b = 1 has the table a
        [line for line in lines if line.value and line.names == names[: len(line.names)]],  # a = {b = 1}
    ):
        if matches:
            return (matches[0].line, matches[0].column) if len(matches) == 1 else (0, 0)
    return 0, 0
