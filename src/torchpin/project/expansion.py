"""Variables in the words of a Dockerfile, as BuildKit fills them in: `$X`, `${X:-a}`, `${X#a*}`, `${X/a/b}` and the like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(r"[A-Za-z_]\w*|\d+|[@*#?!$-]")
_DEEPEST = 20  # variables within the default of a variable; real ones have two


class _BadSubstitutionError(Exception):
    """A `${` that BuildKit refuses."""


def expand(
    text: str,
    values: Mapping[str, str],
    *,
    escape: str = "\\",
    quotes: bool = True,
    spend: Callable[[int], None] = lambda _: None,
) -> str:
    """A word with its variables filled in, without quotes and escapes where `quotes`.

    A variable without a value stays as it is written, so that it can be named, and so does a word with a bad substitution.
    `spend` gets the number of characters before they are filled in, and may raise.
    """
    if not {"$", *("'\"" + escape if quotes else "")} & {*text}:
        return text
    try:
        return _Expansion(text, values, escape if quotes else "", spend, quotes=quotes).until("")
    except _BadSubstitutionError:
        return text


class _Expansion:
    """The reading of a word; `_position` goes forward only."""

    def __init__(
        self, text: str, values: Mapping[str, str], escape: str, spend: Callable[[int], None], *, quotes: bool
    ) -> None:
        self._text, self._values, self._escape, self._spend, self._quotes = (
            text,
            values,
            escape,
            spend,
            quotes,
        )
        self._position, self._depth = 0, 0

    def until(self, stop: str, *, raw_escapes: bool = False) -> str:
        """What is read up to a character, which is read too; `raw_escapes`: they stay, as patterns have them."""
        parts: list[str] = []
        while self._position < len(self._text):
            char = self._text[self._position]
            if stop and char == stop:
                self._position += 1
                return "".join(parts)
            if char == "$":
                parts.append(self._variable())
            elif self._quotes and char in "'\"":
                parts.append(self._quoted(char))
            elif char == self._escape and self._position + 1 < len(self._text):
                parts.append(self._text[self._position + (not raw_escapes) : self._position + 2])
                self._position += 2
            else:
                parts.append(char)
                self._position += 1
        if stop:
            raise _BadSubstitutionError
        return "".join(parts)

    def _quoted(self, quote: str) -> str:
        parts: list[str] = []
        self._position += 1
        while self._position < len(self._text) and self._text[self._position] != quote:
            char = self._text[self._position]
            if char == "$" and quote == '"':
                parts.append(self._variable())
                continue
            if char == self._escape and quote == '"':
                following = self._text[self._position + 1 : self._position + 2]
                parts.append(following if following in {'"', "$", self._escape} else char + following)
                self._position += 1
            else:
                parts.append(char)
            self._position += 1
        self._position += 1
        return "".join(parts)

    def _variable(self) -> str:
        """The value of the variable at the position, the text itself where it has none."""
        start = self._position
        self._position += 1
        if self._text[self._position : self._position + 1] == "{":
            self._position += 1
            value = self._braced(self._name())
        else:
            name = self._name()
            value = self._values.get(name) if name else "$"
        if value is None:
            return self._text[start : self._position]
        self._spend(len(value))
        return value

    def _name(self) -> str:
        match = _NAME.match(self._text, self._position)
        self._position = match.end() if match else self._position
        return match[0] if match else ""

    def _braced(self, name: str) -> str | None:
        """The value of `${name…}`, whose name has been read; None where it is not known."""
        match = re.compile(r"\}|:?[-+?]|##?|%%?|//?").match(self._text, self._position)
        self._depth += 1
        if not name or match is None or self._depth > _DEEPEST:
            raise _BadSubstitutionError
        self._position = match.end()
        value, operator = self._values.get(name), match[0]
        if operator == "}":
            result = value
        elif operator in {"/", "//"}:
            pattern = self.until("/", raw_escapes=True)
            replacement = self.until("}")
            result = self._replaced(value, pattern, replacement, everywhere=operator == "//")
        elif operator[0] in "#%":
            result = self._trimmed(value, operator, self.until("}", raw_escapes=True))
        else:
            result = _chosen(value, operator, self.until("}"))
        self._depth -= 1
        return result

    def _trimmed(self, value: str | None, operator: str, pattern: str) -> str | None:
        """A value without the shortest (`#`, `%`) or longest (`##`, `%%`) part at its start or end that a pattern matches."""
        if value is None:
            return None
        self._spend(len(value) * len(pattern))
        tokens = _pattern_tokens(pattern)
        at_end = operator[0] == "%"
        ends = _matched_ends(value[::-1] if at_end else value, tokens[::-1] if at_end else tokens, 0)
        if not ends:
            return value
        length = max(ends) if operator in {"##", "%%"} else min(ends)
        return value[: len(value) - length] if at_end else value[length:]

    def _replaced(self, value: str | None, pattern: str, replacement: str, *, everywhere: bool) -> str | None:
        """A value with the first match of a pattern, or every one, replaced; the longest match counts."""
        if value is None or not pattern:
            return value
        self._spend(len(value) * len(value) * len(pattern) + len(value) * len(replacement))
        tokens, parts, position = _pattern_tokens(pattern), [], 0
        while position < len(value):
            ends = _matched_ends(value, tokens, position)
            end = max(ends, default=position)
            if end > position:
                parts.append(replacement)
                position = end
                if not everywhere:
                    break
            else:
                parts.append(value[position])
                position += 1
        return "".join(parts) + value[position:]


def _chosen(value: str | None, operator: str, word: str) -> str | None:
    """`${X:-word}`, `${X-word}`, `${X:+word}`, `${X+word}` and `${X:?word}`."""
    is_set = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "+":
        return word if is_set else ""
    if operator[-1] == "-":
        return value if is_set else word
    return value if is_set else None


def _pattern_tokens(pattern: str) -> list[str]:
    r"""A pattern as single tokens: `*`, `?`, and characters with a backslash in front, as in `\a`."""
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    return [part if part in {"*", "?"} or len(part) > 1 else f"\\{part}" for part in tokens]


def _matched_ends(value: str, tokens: list[str], start: int) -> set[int]:
    """The ends of all matches that begin at a position."""
    ends = {start}
    for part in tokens:
        if part == "*":
            ends = {*range(min(ends), len(value) + 1)} if ends else ends
        else:
            ends = {end + 1 for end in ends if end < len(value) and (part == "?" or value[end] == part[1])}
    return ends
