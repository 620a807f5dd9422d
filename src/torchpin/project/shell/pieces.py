"""The pieces of a shell word: what stands for itself, quoted or not, and what is expanded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 20  # expansions within each other; what is deeper is not expanded
_PLAIN = re.compile(r"[^\\'\"$`<>]+")
_PLAIN_QUOTED = re.compile(r"[^\\\"$`]+")
_PLAIN_BODY = re.compile(r"[^\\$`]+")
_NAME = re.compile(r"\w+|[@*#?$!-]")
_CLOSING = re.compile(r"\\.|'|\"|`|\$?[({]|\)|\}|\]", re.DOTALL)
_OPENINGS = {  # the long ones first
    "$((": "arithmetic", "$[": "arithmetic", "$(": "command", "<(": "command", ">(": "command", "${": "parameter",
}  # fmt: skip
_CLOSED_BY = {"(": ")", "{": "}", "[": "]", '"': '"', "`": "`"}
_ANSI = re.compile(r"\\(?:([abefnrtv\\'\"?])|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|([0-7]{1,3}))")
_ANSI_LETTERS = {
    "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip


class Piece(NamedTuple):
    """`kind`: literal, parameter (`$X`, `${…}`), command (`$(…)`, `<(…)`) or arithmetic.

    `text`: of a literal without its quotes, of an expansion what stands between its brackets, at `inner`.
    """

    kind: str
    text: str
    start: int
    stop: int
    inner: int
    quoted: bool = False


def split_pieces(text: str, start: int, stop: int) -> list[Piece]:
    """The pieces of the word at an offset, in their order."""
    return list(_Splitter(text, stop).read(start))


def split_body(text: str) -> list[Piece]:
    """The pieces of a heredoc's body, in which quotes stand for themselves."""
    return list(_Splitter(text, len(text)).read_quoted(0, _PLAIN_BODY, escaped="$`\\\n"))


class _Splitter:
    def __init__(self, text: str, stop: int) -> None:
        self._text, self._stop = text, stop
        self._open = (
            False  # an expansion has no end: it is not looked for again, which would take quadratic time
        )

    def read(self, position: int) -> Iterator[Piece]:
        while position < self._stop:
            char = self._text[position]
            if match := _PLAIN.match(self._text, position, self._stop):
                piece = Piece("literal", match[0], position, match.end(), position)
            elif char == "\\":
                escaped = self._text[position + 1 : min(position + 2, self._stop)]
                piece = Piece(
                    "literal", escaped, position, position + 1 + len(escaped), position + 1, quoted=True
                )
            elif char == "'":
                end = self._find("'", position + 1)
                piece = Piece(
                    "literal", self._text[position + 1 : end], position, end + 1, position + 1, quoted=True
                )
            elif char == '"':
                pieces = list(self.read_quoted(position + 1, _PLAIN_QUOTED, escaped='$`"\\\n', end='"'))
                yield from pieces or [Piece("literal", "", position, position + 1, position + 1, quoted=True)]
                position = (pieces[-1].stop if pieces else position + 1) + 1
                continue
            elif char == "$" and self._text[position + 1 : position + 2] in {"'", '"'}:
                if self._text[position + 1] == '"':
                    position += 1
                    continue
                piece = self._ansi_string(position)
            else:
                piece = self._expansion(position, quoted=False)
            yield piece
            position = piece.stop

    def _find(self, text: str, position: int) -> int:
        end = self._text.find(text, position, self._stop)
        return end if end >= 0 else self._stop

    def read_quoted(
        self, position: int, plain: re.Pattern[str], *, escaped: str, end: str = ""
    ) -> Iterator[Piece]:
        while position < self._stop and self._text[position] != end:
            match = plain.match(self._text, position, self._stop)
            if match:
                piece = Piece("literal", match[0], position, match.end(), position, quoted=True)
            elif self._text[position] == "\\":
                follows = self._text[position + 1 : position + 2]
                text = ("" if follows == "\n" else follows) if follows and follows in escaped else "\\"
                length = 2 if text != "\\" or follows == "\\" else 1
                piece = Piece(
                    "literal", text, position, position + length, position + length - 1, quoted=True
                )
            else:
                piece = self._expansion(position, quoted=True)
            yield piece
            position = piece.stop

    def _ansi_string(self, start: int) -> Piece:
        position = start + 2
        while position < self._stop and self._text[position] != "'":
            position += 2 if self._text[position] == "\\" else 1
        position = min(position, self._stop)
        text = _ANSI.sub(_decode_ansi, self._text[start + 2 : position])
        return Piece("literal", text, start, position + 1, start + 2, quoted=True)

    def _expansion(self, start: int, *, quoted: bool) -> Piece:
        """The expansion that starts with `$`, a backquote or `<(`; a literal where none does."""
        text = self._text
        end = self._backquoted(start) if text[start] == "`" else 0
        if end:
            return Piece("command", text[start + 1 : end - 1], start, end, start + 1, quoted)
        opening = next((sign for sign in _OPENINGS if text.startswith(sign, start)), "")
        end = self._closing(start + 1) if opening else 0
        if end and opening == "$((" and text[end - 2 : end] != "))":
            opening = "$("  # of a subshell
        if end:
            inner = start + len(opening)
            width = 2 if opening == "$((" else 1
            return Piece(_OPENINGS[opening], text[inner : end - width], start, end, inner, quoted)
        match = _NAME.match(text, start + 1, self._stop) if text[start] == "$" else None
        if match:
            name = match[0][:1] if match[0][0].isdigit() else match[0]
            return Piece("parameter", name, start, start + 1 + len(name), start + 1, quoted)
        return Piece("literal", text[start], start, start + 1, start, quoted)

    def _backquoted(self, start: int) -> int:
        """The offset behind the backquote that closes that at an offset, 0 for none."""
        end = start + 1
        while end < self._stop and self._text[end] != "`":
            end += 2 if self._text[end] == "\\" else 1
        return end + 1 if end < self._stop else 0

    def _closing(self, start: int) -> int:
        """The offset behind the bracket that closes that at an offset; 0 where there is none, or it is nested too deep."""
        position = start
        brackets: list[str] = []
        if self._text[start] == "[":
            brackets, position = ["["], start + 1
        while not self._open and (match := _CLOSING.search(self._text, position, self._stop)):
            symbol, position = match[0], match.end()
            quote = brackets[-1] if brackets and brackets[-1] in {'"', "`"} else ""
            if symbol == "'":
                position = position if quote else self._find("'", position) + 1
            elif symbol == _CLOSED_BY.get(brackets[-1] if brackets else ""):
                brackets.pop()
                if not brackets:
                    return position
            elif symbol in {'"', "`"}:
                brackets.append(symbol)
            elif symbol[-1] in "({" and (not quote or symbol[0] == "$"):
                brackets.append(symbol[-1])
            if len(brackets) > _DEEPEST:
                break
        self._open = True
        return 0


def _decode_ansi(match: re.Match[str]) -> str:
    letter, *numbers = match.groups()
    if letter:
        return _ANSI_LETTERS.get(letter, letter)
    digits = next(number for number in numbers if number)
    return chr(int(digits, 8 if match[4] else 16))
