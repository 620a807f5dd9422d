"""The patterns of the shell, `*`, `?` and `[…]`, matched in time that is bounded; a backslash quotes the next character."""

from __future__ import annotations

import re
from functools import lru_cache

# Characters of a text of which a part is matched by a `*`, which takes quadratic time, and for each of its places cubic.
_LONGEST, _LONGEST_REPLACED = 500, 100
_MOST_STEPS = 1_000_000
_PART = re.compile(r"\\(.)|(\[(?:[!^])?\]?(?:\[:\w+:\]|[^\]])*\])|(.)", re.DOTALL)
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "xdigit": "0-9a-fA-F", "blank": r" \t",
}  # fmt: skip


class UndecidedPatternError(Exception):
    """A pattern that is not followed: an extended one, or one that would take too long."""


def quote_pattern(text: str) -> str:
    """A text as the pattern that matches it alone."""
    return re.sub(r"[*?\[\]\\@+!()|]", r"\\\g<0>", text)


@lru_cache(maxsize=1_000)
def _parts(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """What matches a character each, None for `*`."""
    if re.search(r"(?<!\\)[@?*+!]\(", pattern):
        raise UndecidedPatternError
    parts: list[re.Pattern[str] | None] = []
    for literal, group, char in _PART.findall(pattern):
        if char == "*":
            parts += [] if parts and parts[-1] is None else [None]
        elif group:
            parts.append(_character_class(group))
        else:
            parts.append(re.compile("." if char == "?" else re.escape(literal or char), re.DOTALL))
    return tuple(parts)


def _character_class(group: str) -> re.Pattern[str]:
    inner, negated = group[1:-1], group[1] in "!^" and len(group) > 3  # noqa: PLR2004 - `[!]` has nothing else
    inner = inner[1:] if negated else inner
    chars = re.sub(r"\[:(\w+):\]|([\\\[\]^])", lambda match: _CLASSES.get(match[1], rf"\{match[2]}"), inner)
    try:
        return re.compile(f"[{'^' if negated else ''}{chars}]", re.DOTALL)
    except re.error:
        raise UndecidedPatternError from None


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern matches a whole text. Raises UndecidedPatternError."""
    parts = _parts(pattern)
    if len(text) * len(parts) > _MOST_STEPS:
        raise UndecidedPatternError
    position = index = 0
    star = star_position = -1
    while position < len(text):
        part = parts[index] if index < len(parts) else None
        if index < len(parts) and part is None:
            star, star_position, index = index, position, index + 1
        elif part is not None and part.match(text, position):
            position, index = position + 1, index + 1
        elif star >= 0:  # the last star takes a character more
            star_position += 1
            position, index = star_position, star + 1
        else:
            return False
    return all(part is None for part in parts[index:])


def without_prefix(text: str, pattern: str, *, longest: bool) -> str:
    """`${X#pattern}` and `${X##pattern}`. Raises UndecidedPatternError."""
    lengths = _lengths(text, pattern)
    for length in reversed(lengths) if longest else lengths:
        if matches(text[:length], pattern):
            return text[length:]
    return text


def without_suffix(text: str, pattern: str, *, longest: bool) -> str:
    """`${X%pattern}` and `${X%%pattern}`. Raises UndecidedPatternError."""
    lengths = _lengths(text, pattern)
    for length in reversed(lengths) if longest else lengths:
        if matches(text[len(text) - length :], pattern):
            return text[: len(text) - length]
    return text


def replaced(text: str, pattern: str, replacement: str, *, every: bool, anchor: str = "") -> str:
    """`${X/pattern/replacement}`; `anchor`: `#` for the start, `%` for the end. Raises UndecidedPatternError."""
    if not pattern:
        return replacement + text if anchor == "#" else text + replacement if anchor else text
    if anchor == "%":
        start = len(without_suffix(text, pattern, longest=True))
        return text if start == len(text) else text[:start] + replacement
    if anchor == "#":
        remainder = without_prefix(text, pattern, longest=True)
        return text if len(remainder) == len(text) else replacement + remainder
    if None in _parts(pattern) and len(text) > _LONGEST_REPLACED:
        raise UndecidedPatternError
    parts: list[str] = []
    position = 0
    while position < len(text):
        lengths = reversed(_lengths(text[position:], pattern))
        length = next((n for n in lengths if n and matches(text[position : position + n], pattern)), 0)
        parts.append(replacement if length else text[position])
        position += length or 1
        if length and not every:
            break
    return "".join(parts) + text[position:]


def _lengths(text: str, pattern: str) -> range:
    """The lengths of the parts of a text that a pattern may match."""
    parts = _parts(pattern)
    if None not in parts:
        return range(len(parts), min(len(parts), len(text)) + 1)
    if len(text) > _LONGEST:
        raise UndecidedPatternError
    return range(len(text) + 1)
