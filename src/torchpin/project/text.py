"""A text that was taken from a file in pieces, such as a RUN whose lines are joined, with the place of each character."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Place(NamedTuple):
    """A line and a column of a file; both count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadProblem:
    """What the tool that a file is for would refuse about it, and where."""

    message: str
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedText:
    """`starts`: the offsets in `text` at which a piece begins, ascending, the first one 0; `places`: where in the file each begins.

    A piece lies within a line of the file: the characters of a piece follow each other there too.
    """

    text: str
    starts: tuple[int, ...] = (0,)
    places: tuple[Place, ...] = (Place(1, 1),)

    @classmethod
    def of_lines(cls, lines: Iterable[tuple[str, Place]]) -> PlacedText:
        """A text from pieces of lines, each with the place of its first character; a line end belongs to its piece."""
        parts: list[str] = []
        starts: list[int] = []
        places: list[Place] = []
        length = 0
        for part, place in lines:
            if part:
                parts.append(part)
                starts.append(length)
                places.append(place)
                length += len(part)
        return cls(text="".join(parts), starts=tuple(starts) or (0,), places=tuple(places) or (Place(1, 1),))

    @classmethod
    def of_text(cls, text: str) -> PlacedText:
        """The text of a whole file."""
        return cls.of_lines(
            (line, Place(number, 1)) for number, line in enumerate(_LINE.findall(text), start=1)
        )

    @classmethod
    def at(cls, text: str, place: Place) -> PlacedText:
        """A text that stands nowhere in the file, such as the value of a variable: all of it is at a place."""
        return cls(text=text, starts=tuple(range(len(text))) or (0,), places=(place,) * max(len(text), 1))

    @classmethod
    def joined(cls, parts: Iterable[PlacedText]) -> PlacedText:
        """Texts behind each other."""
        texts: list[str] = []
        starts: list[int] = []
        places: list[Place] = []
        length = 0
        for part in parts:
            if part.text:
                texts.append(part.text)
                starts += [length + start for start in part.starts]
                places += part.places
                length += len(part.text)
        return cls(text="".join(texts), starts=tuple(starts) or (0,), places=tuple(places) or (Place(1, 1),))

    def place(self, offset: int) -> Place:
        """The place of the character at an offset; at the end of the text the place after the last character."""
        piece = max(bisect_right(self.starts, offset) - 1, 0)
        line, column = self.places[piece]
        return Place(line, column + offset - self.starts[piece])

    def lines(self) -> Iterator[tuple[str, Place]]:
        """The lines, each with its end and the place of its first character."""
        for match in _LINE.finditer(self.text):
            yield match[0], self.place(match.start())

    def part(self, start: int, stop: int) -> PlacedText:
        """The characters from an offset up to another one, at their places."""
        text = self.text[start:stop]
        first = max(bisect_right(self.starts, start) - 1, 0)
        inner = range(first + 1, bisect_right(self.starts, start + max(len(text) - 1, 0)))
        return PlacedText(
            text=text,
            starts=(0, *(self.starts[piece] - start for piece in inner)),
            places=(self.place(start), *(self.places[piece] for piece in inner)),
        )
