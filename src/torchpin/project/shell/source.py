"""A script as the grammar reads it: lines joined, and the bodies of heredocs taken out, which the grammar often gets wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from torchpin.project.text import PlacedText

_LONGEST = 1_000_000  # characters of a script; real ones have some thousand
# The grammar takes quadratic time for nested ones: 0.1 s for so many.
_MOST_OPERATORS = 2_000
_OPERATOR = re.compile(r"[(|]|[<>](?=[<>|&])")
_TOKEN = re.compile(r"\\(?:\n|.)?|'|\"|\$\(\(?|\$\{|\$'|`|\(\(?|\)|\}|#|<<<|<<-?|<>|\n", re.DOTALL)
_DELIMITER = re.compile(r"[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s'\"\\;|&()<>`])+)")
_STRING_END = re.compile(r"[^']*'?")
_ANSI_STRING_END = re.compile(r"(?:[^'\\]|\\.)*'?", re.DOTALL)
# The grammar needs to know where words end, not what they hold; every offset stays what it is.
_FOREIGN = re.compile(r"[^\t\n\x20-\x7e]")
_RETURN = re.compile(r"\r(?=\n|\Z)")
_PLAIN = re.compile(r"[\t\n\x20-\x7e]*")
_TIMED_GROUP = re.compile(r"(?<![\w\\'\"$/.-])time(?=[ \t]+[({])")


class HereDocument(NamedTuple):
    body: PlacedText
    expands: bool  # whether its delimiter is not quoted


class UnreadableScriptError(Exception):
    """A script that is not given to the grammar; the text is the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellSource:
    """`masked`: as long as `text`, for the grammar; `operators`: those of `text` that it has otherwise, by their offset."""

    text: PlacedText
    masked: str
    heredocs: dict[int, HereDocument] = field(default_factory=dict)
    operators: dict[int, str] = field(default_factory=dict)
    weight: int = 0  # the operators that cost


def read_source(text: PlacedText) -> ShellSource:
    """Raises UnreadableScriptError for what is too long, or nested too deep."""
    if len(text.text) > _LONGEST:
        raise UnreadableScriptError(f"it has more than {_LONGEST} characters")
    if "\\\n" in text.text or "<<" in text.text or "<>" in text.text:
        source = _Scanner(text).read()
    else:
        source = ShellSource(text=text, masked=mask(text.text))
    weight = len(_OPERATOR.findall(source.masked))
    if weight > _MOST_OPERATORS:
        raise UnreadableScriptError(f"it has more than {_MOST_OPERATORS} parentheses and pipes")
    return ShellSource(
        text=source.text,
        masked=source.masked,
        heredocs=source.heredocs,
        operators=source.operators,
        weight=weight,
    )


def mask(text: str) -> str:
    """A text of the same length in which all that the grammar may take for something else is a letter."""
    if not _PLAIN.fullmatch(text):
        text = _FOREIGN.sub("x", _RETURN.sub(" ", text))
    if "\\<" in text or "\\>" in text:
        text = text.replace("\\<", "==").replace("\\>", "==")  # of `[ a \\> b ]`
    return _TIMED_GROUP.sub(lambda match: " " * len(match[0]), text) if "time" in text else text


class _Pending(NamedTuple):
    offset: int  # of its operator in the joined text
    delimiter: str
    expands: bool
    strips: bool  # `<<-`


class _Scanner:
    """Goes once through a script and knows what is quoted: contexts are `"`, `(`, `((`, `{` and the backquote."""

    def __init__(self, text: PlacedText) -> None:
        self._placed, self._text = text, text.text
        self._position = self._copied = self._removed = 0
        self._parts: list[PlacedText] = []
        self._masked: list[str] = []
        self._contexts: list[str] = []
        self._pending: list[_Pending] = []
        self._heredocs: dict[int, HereDocument] = {}
        self._operators: dict[int, str] = {}

    def read(self) -> ShellSource:
        while match := _TOKEN.search(self._text, self._position):
            self._position = match.end()
            self._take(match[0], match.start())
        self._copy(len(self._text))
        text = PlacedText.joined(self._parts)
        return ShellSource(
            text=text,
            masked=mask("".join(self._masked)),
            heredocs=self._heredocs,
            operators=self._operators,
        )

    def _copy(self, stop: int, masked: str | None = None) -> None:
        """The text up to an offset goes into the joined one; the grammar may see something else of the same length."""
        if stop > self._copied:
            self._parts.append(self._placed.part(self._copied, stop))
            self._masked.append(self._text[self._copied : stop] if masked is None else masked)
        self._copied = stop

    def _take(self, symbol: str, start: int) -> None:
        context = self._contexts[-1] if self._contexts else ""
        if symbol == "\\\n":
            self._copy(start)
            self._copied = self._position
            self._removed += 2
        elif context == '"':
            self._take_quoted(symbol)
        elif symbol == "\n":
            self._read_bodies()
        elif symbol in {"'", "$'", "#"}:
            self._skip(symbol, start)
        elif symbol in {")", "}", "`"}:
            self._close(symbol)
        elif symbol[0] == "<":
            self._take_redirect(symbol, start, context)
        elif symbol[0] != "\\":
            is_number = symbol.endswith("((") or context == "(("
            self._contexts += ["((" if is_number else symbol[-1]] * (2 if symbol.endswith("((") else 1)

    def _skip(self, symbol: str, start: int) -> None:
        """Goes on behind a string or a comment."""
        if symbol == "#":
            self._skip_comment(start)
            return
        match = (_ANSI_STRING_END if symbol == "$'" else _STRING_END).match(self._text, self._position)
        self._position = match.end() if match else self._position

    def _take_quoted(self, symbol: str) -> None:
        if symbol == '"':
            self._contexts.pop()
        elif symbol in {"$(", "$((", "${", "`"}:
            self._contexts += ["((", "(("] if symbol == "$((" else [symbol[-1]]

    def _close(self, symbol: str) -> None:
        context = self._contexts[-1] if self._contexts else ""
        if symbol == "`" and context != "`":
            self._contexts.append("`")
        elif context[:1] == {")": "(", "}": "{", "`": "`"}[symbol]:
            self._contexts.pop()

    def _skip_comment(self, start: int) -> None:
        before = self._text[start - 1 : start]
        if not before or before in " \t\n;&|()`":
            end = self._text.find("\n", start)
            self._position = end if end >= 0 else len(self._text)

    def _take_redirect(self, symbol: str, start: int, context: str) -> None:
        if context in {"((", "{"}:
            return
        offset = start - self._removed
        self._operators[offset] = symbol
        self._copy(start)
        self._copy(self._position, "<" + " " * (len(symbol) - 1))
        match = _DELIMITER.match(self._text, self._position) if symbol in {"<<", "<<-"} else None
        if match:
            delimiter = re.sub(r"\\(.)|['\"]", r"\1", match[1])
            expands = not re.search(r"[\\'\"]", match[1])
            self._pending.append(_Pending(offset, delimiter, expands, symbol == "<<-"))
            self._position = match.end()

    def _read_bodies(self) -> None:
        for pending in self._pending:
            start = self._position
            stop = self._read_body(pending)
            # a blank line for the grammar: the body is no command
            self._copy(start)
            self._copy(stop, re.sub(r"[^\n]", " ", self._text[start:stop]))
            self._position = stop
        self._pending.clear()

    def _read_body(self, pending: _Pending) -> int:
        """Keeps the body that starts at the position; returns the offset behind the line that ends it."""
        position, lines = self._position, []
        while position < len(self._text):
            end = self._text.find("\n", position)
            stop = end + 1 if end >= 0 else len(self._text)
            line = self._text[position:stop]
            indent = len(line) - len(line.lstrip("\t")) if pending.strips else 0
            if line[indent:].rstrip("\r\n") == pending.delimiter:
                position = stop
                break
            lines.append(self._placed.part(position + indent, stop))
            position = stop
        self._heredocs[pending.offset] = HereDocument(PlacedText.joined(lines), pending.expands)
        return position
