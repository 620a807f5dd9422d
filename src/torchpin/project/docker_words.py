"""The words of Dockerfile instructions: ENV, ARG, COPY and the like are no shell, only blanks and quotes part their words."""

from __future__ import annotations

from typing import NamedTuple


class DockerWord(NamedTuple):
    """A word as it is written, quotes and escapes included, and its offsets in the text."""

    text: str
    start: int
    end: int


def split_words(text: str, escape: str = "\\") -> tuple[DockerWord, ...]:
    """The words of an instruction's arguments; blanks within quotes and after an escape are part of a word."""
    words: list[DockerWord] = []
    start, position, quote = -1, 0, ""
    while position < len(text):
        char = text[position]
        if start < 0 and char.isspace():
            position += 1
            continue
        start = position if start < 0 else start
        if not quote and char.isspace():
            words.append(DockerWord(text[start:position], start, position))
            start = -1
        elif char == escape and quote != "'":
            position += 1  # what follows is part of the word, whatever it is
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        position += 1
    if start >= 0:
        words.append(DockerWord(text[start:], start, len(text)))
    return tuple(words)


def plain_text(word: str, escape: str = "\\") -> str:
    """A word without its quotes and escapes; an open quote ends with it."""
    if not {"'", '"', escape} & {*word}:
        return word
    parts: list[str] = []
    position, quote = 0, ""
    while position < len(word):
        char = word[position]
        if quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == escape and quote != "'" and position + 1 < len(word):
            position += 1
            keeps = quote and word[position] not in {'"', "$", escape}
            parts.append(char + word[position] if keeps else word[position])
        else:
            parts.append(char)
        position += 1
    return "".join(parts)
