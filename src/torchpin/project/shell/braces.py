"""Brace expansion of bash: `a{b,c}` becomes `ab ac`, `{1..3}` becomes `1 2 3`."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.project.shell.pieces import Piece

_MOST_WORDS = 1_000  # a word that would become more stays as it is written
_DEEPEST = 10
_MOST_BRACES = 100  # each is looked for its end
_PART = re.compile(r"[{},]|[^{},]+")
_RANGE = re.compile(r"(-?\d{1,6}|[A-Za-z])\.\.(-?\d{1,6}|[A-Za-z])(?:\.\.(-?\d{1,6}))?")


class _TooManyError(Exception):
    pass


def expand_braces(pieces: list[Piece]) -> list[list[Piece]]:
    """The words that a word's braces make of it, each as its pieces."""
    number = sum(piece.text.count("{") for piece in pieces if piece.kind == "literal" and not piece.quoted)
    if not 0 < number <= _MOST_BRACES:
        return [pieces]
    try:
        return _expand(list(_parts(pieces)), 0)
    except _TooManyError:
        return [pieces]


def _parts(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces, each unquoted brace and comma as a piece of its own."""
    for piece in pieces:
        if piece.kind != "literal" or piece.quoted:
            yield piece
            continue
        for match in _PART.finditer(piece.text):
            start = piece.start + match.start()
            yield piece._replace(text=match[0], start=start, stop=start + len(match[0]), inner=start)


def _is(piece: Piece, text: str) -> bool:
    return piece.kind == "literal" and not piece.quoted and piece.text == text


def _expand(parts: list[Piece], depth: int) -> list[list[Piece]]:
    """Raises _TooManyError."""
    if depth > _DEEPEST:
        raise _TooManyError
    results: list[list[Piece]] = [[]]
    position = 0
    while position < len(parts):
        choices, stop = [[parts[position]]], position + 1
        if _is(parts[position], "{"):
            group = _read_group(parts, position)
            if group:
                alternatives, stop = group
                choices = [choice for part in alternatives for choice in _expand(part, depth + 1)]
        if len(results) * len(choices) > _MOST_WORDS:
            raise _TooManyError
        if len(choices) == 1:
            for result in results:
                result.extend(choices[0])
        else:
            results = [[*result, *choice] for result in results for choice in choices]
        position = stop
    return results


def _read_group(parts: list[Piece], start: int) -> tuple[list[list[Piece]], int] | None:
    """The alternatives of the brace at a position and the position behind it; None where it is none."""
    depth, alternatives, begin = 0, [], start + 1
    for position in range(start, len(parts)):
        if _is(parts[position], "{"):
            depth += 1
        elif _is(parts[position], ",") and depth == 1:
            alternatives.append(parts[begin:position])
            begin = position + 1
        elif _is(parts[position], "}"):
            depth -= 1
            if not depth:
                if alternatives:
                    return [*alternatives, parts[begin:position]], position + 1
                values = _range(parts[begin:position])
                return (values, position + 1) if values else None
    return None


def _range(parts: Sequence[Piece]) -> list[list[Piece]]:
    """The values of `1..3` or `a..c`, none for anything else."""
    match = _RANGE.fullmatch(parts[0].text) if len(parts) == 1 and not parts[0].quoted else None
    if not match or match[1].isalpha() != match[2].isalpha():
        return []
    is_letter = match[1].isalpha()
    first, last = (ord(end) if is_letter else int(end) for end in (match[1], match[2]))
    step = max(abs(int(match[3] or 1)), 1) * (1 if last >= first else -1)
    if abs(last - first) // abs(step) > _MOST_WORDS:
        raise _TooManyError
    width = (
        max(len(match[1]), len(match[2]))
        if re.match(r"-?0\d", match[1]) or re.match(r"-?0\d", match[2])
        else 0
    )
    values: list[list[Piece]] = []
    for number in count(first, step):
        if (number > last) if step > 0 else (number < last):
            return values
        text = chr(number) if is_letter else str(number).zfill(width)
        values.append([parts[0]._replace(text=text)])
    return values
