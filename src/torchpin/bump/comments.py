"""The comments of a description that an update may make untrue: nobody but a person can rewrite them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMENT = re.compile(r"(?:^|\s)#\s*(?P<text>.+)$")


def outdated_comments(text: str, file: str, old_values: Iterable[str]) -> tuple[str, ...]:
    """A note for each comment that mentions a version or channel that went away, with its line in `text`."""
    values = sorted(value for value in old_values if "." in value or value.startswith("cu"))
    notes = []
    for number, line in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.search(line)
        mentioned = [value for value in values if comment and mentions(comment["text"], [value])]
        if mentioned:
            notes.append(f"{file}:{number}: the comment mentions {mentioned[0]}, which changed; review it")
    return tuple(notes)


def mentions(text: str, values: Iterable[str]) -> bool:
    """Whether a text has one of the values as a whole version: 2.5 is not mentioned by 2.5.1, nor by 12.5."""
    return any(re.search(rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)", text) for value in values if value)
