"""Patterns of a COPY: which of the project's paths they name."""

from __future__ import annotations

import re


def is_match(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern of a COPY: `*` and `?` stay within a name, `[a-c]` is a character of a class."""
    patterns, names = pattern.split("/"), path.split("/")
    return len(patterns) == len(names) and all(map(_matches_name, patterns, names))


def _matches_name(pattern: str, name: str) -> bool:
    ends = {0}  # the offsets that are reached so far: no backtracking, which takes long for many `*`
    for part in re.findall(r"\[[^]]{1,50}\]|\\.|.", pattern, re.DOTALL):
        if part == "*":
            ends = {*range(min(ends), len(name) + 1)} if ends else ends
        else:
            ends = {end + 1 for end in ends if end < len(name) and _matches_char(part, name[end])}
    return len(name) in ends


def _matches_char(part: str, char: str) -> bool:
    if len(part) > 2 and part[0] == "[":  # noqa: PLR2004 - a class has a character at least
        ranges = re.findall(r"(.)-(.)|(.)", part[1:-1].removeprefix("^"), re.DOTALL)
        is_in = any(low <= char <= high if low else char == single for low, high, single in ranges)
        return is_in != part[1:].startswith("^")
    return part == "?" or part[-1] == char
