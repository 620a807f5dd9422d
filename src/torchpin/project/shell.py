"""The simple commands of shell text, with the place of each word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.project.text import PlacedText

_OPERATORS = (
    "&&",
    "||",
    ";;",
    "|&",
    ";",
    "|",
    "&",
    "(",
    ")",
    "\n",
)  # the long ones first: `&` starts `&&` too
_OPERATOR_STARTS = frozenset(symbol[0] for symbol in _OPERATORS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a command, its quotes removed."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A simple command. `operator`: what follows it, "" at the end; `redirects`: operators with their targets."""

    argv: tuple[Word, ...]
    redirects: tuple[tuple[str, Word], ...] = ()
    operator: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.argv)

    @property
    def line(self) -> int:
        return self.argv[0].line if self.argv else 0

    @property
    def column(self) -> int:
        return self.argv[0].column if self.argv else 0


def parse_shell(source: PlacedText) -> Iterator[Command]:
    """The simple commands of a text, in their order."""
    argv: list[Word] = []
    redirects: list[tuple[str, Word]] = []
    pending = ""
    for token in _tokenize(source):
        if isinstance(token, Word):
            if pending:
                redirects.append((pending, token))
            else:
                argv.append(token)
            pending = ""
        elif token.text[0] in "<>":
            pending = token.text
        else:
            if argv or redirects:
                yield Command(argv=tuple(argv), redirects=tuple(redirects), operator=token.text)
            argv, redirects, pending = [], [], ""
    if argv or redirects:
        yield Command(argv=tuple(argv), redirects=tuple(redirects))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Operator:
    text: str


def _tokenize(source: PlacedText) -> Iterator[Word | _Operator]:
    text, position = source.text, 0
    while position < len(text):
        char, ahead = text[position], text[position : position + 2]
        operator = (
            next((symbol for symbol in _OPERATORS if ahead.startswith(symbol)), "")
            if char in _OPERATOR_STARTS
            else ""
        )
        if operator:
            yield _Operator(text=operator)
            position += len(operator)
        elif char in "<>":
            length = 2 if ahead in {">>", "<<", ">&", "<&"} else 1
            yield _Operator(text=ahead[:length])
            position += length
        elif char.isspace():
            position += 1
        elif char == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            word, position = _read_word(source, position)
            yield word


def _read_word(source: PlacedText, position: int) -> tuple[Word, int]:
    """The word at a position, and the position after it; an open quote ends with the text."""
    start, quote = source.place(position), ""
    text: list[str] = []
    while position < len(source.text):
        char = source.text[position]
        if quote:
            if char == quote:
                quote = ""
            else:
                text.append(char)
        elif char in "'\"":
            quote = char
        elif char == "\\" and position + 1 < len(source.text):
            position += 1
            text.append(source.text[position])
        elif char.isspace() or char in ";|&()<>":
            break
        else:
            text.append(char)
        position += 1
    # the 2 of `2>file`, a file descriptor, becomes a word of its own
    return Word(text="".join(text), line=start.line, column=start.column), position
