"""Requirement files as pip reads them: joined lines, comments, options, and requirements with theirs.

pip has no interface for it, and pip-requirements-parser, which copies its reader, was last released in 2022 and knows no
columns; so lines and options are read here, and requirements by `packaging`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from torchpin.model import Position, Problem
from torchpin.project.text import Place, PlacedText

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a line may have besides a requirement, by pip's long name; those of the second line belong to a requirement.
_WITH_VALUE = {
    "-i": "--index-url", "--pypi-url": "--index-url", "-r": "--requirement", "-c": "--constraint", "-e": "--editable",
    "-f": "--find-links", "-C": "--config-settings", "--config-setting": "--config-settings",
    **{name: name for name in (
        "--index-url", "--extra-index-url", "--requirement", "--constraint", "--editable", "--find-links", "--no-binary",
        "--only-binary", "--trusted-host", "--use-feature", "--hash", "--config-settings", "--global-option",
    )},
}  # fmt: skip
_FLAGS = {
    name: name
    for name in (
        "--no-index",
        "--prefer-binary",
        "--require-hashes",
        "--pre",
        "--no-use-wheel",
        "--process-dependency-links",
    )
}
OF_REQUIREMENT = frozenset({"--hash", "--config-settings", "--global-option"})
_MOST_CHARACTERS = 20_000_000  # of a file
_LONGEST_LINE = 1_000_000  # characters, joined; a requirement with the hashes of 500 wheels has 50,000
_LONGEST_SHOWN = 80  # characters of what is refused, in a message
_COMMENT = re.compile(r"(?:^|\s)#")
_COMMENT_LINE = re.compile(r"\s*#")
_OPTIONS_START = re.compile(r"(?:^|\s)(?=-)")
_TOKEN = re.compile(r"""(?:[^\s"'\\]|\\.?|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_PART = re.compile(r"""\\(.?)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRequirement:
    """A requirement as it is written, without its own options, and where. `is_constraint`: it only bounds what is installed."""

    text: str
    position: Position
    options: tuple[tuple[str, str], ...] = ()  # --hash, --config-settings, --global-option
    editable: bool = False
    is_constraint: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOption:
    """An option of a whole file by its long name; `value` is "" for one that has none."""

    name: str
    value: str
    position: Position


Row = FileRequirement | FileOption | Problem


class _Option(NamedTuple):
    name: str
    value: str
    place: Place


def logical_lines(text: str) -> Iterator[PlacedText]:
    """Lines as pip joins them, without comments and blanks around, each character with its place; a comment ends a joined line."""
    pending: list[tuple[str, Place]] = []
    for place, line in _physical_lines(text.removeprefix("\ufeff")):
        is_comment = _COMMENT_LINE.match(line)
        if line.endswith("\\") and not is_comment:
            pending.append((line[:-1], place))
            continue
        if pending and is_comment:
            line = " " + line  # noqa: PLW2901 - as pip does: a comment begins behind a blank
        pending.append((line, place))
        yield from _stripped(PlacedText.of_lines(pending))
        pending = []
    yield from _stripped(PlacedText.of_lines(pending)) if pending else ()


def _physical_lines(text: str) -> Iterator[tuple[Place, str]]:
    """The lines as pip splits them, at form feeds and the like too, with the places that an editor shows."""
    for number, line in enumerate(text.split("\n"), start=1):
        column = 1
        for part in line.splitlines(keepends=True) or [""]:
            yield Place(number, column), part.splitlines()[0] if part else ""
            column += len(part)


def _stripped(line: PlacedText) -> Iterator[PlacedText]:
    comment = _COMMENT.search(line.text)
    text = line.text[: comment.start()] if comment else line.text
    if text.strip():
        yield line.part(len(text) - len(text.lstrip()), len(text.rstrip()))


def parse_rows(text: str, file: str) -> Iterator[Row]:
    """The requirements and options of one file, without those of files that it includes, and what is wrong with its lines.

    A variable such as `${NAME}` stays as it is written, as with pip where it has no value.
    """
    if len(text) > _MOST_CHARACTERS:
        message = f"it has {len(text)} characters, and at most {_MOST_CHARACTERS} are read"
        yield Problem(position=Position(file=file, line=1, column=1), path="", message=message)
        return
    for line in logical_lines(text):
        refusal = (
            "it has a NUL character"
            if "\0" in line.text
            else f"a line of over {_LONGEST_LINE} characters is not read"
            if len(line.text) > _LONGEST_LINE
            else ""
        )
        if refusal:
            yield _problem(file, line.place(0), refusal)
        else:
            yield from parse_line(line, file)


def _problem(file: str, place: Place, message: str) -> Problem:
    return Problem(position=_position(file, place), path="", message=message)


def _position(file: str, place: Place) -> Position:
    return Position(file=file, line=place.line, column=place.column)


def parse_line(line: PlacedText, file: str) -> Iterator[Row]:
    """The requirement or the options of a joined line, and what is wrong with it."""
    match = _OPTIONS_START.search(line.text)
    split = match.end() if match else len(line.text)
    requirement = line.text[:split].strip()
    options: list[_Option] = []
    problems: list[Problem] = []
    for option in _parse_options(line.part(split, len(line.text))):
        if option.name:
            options.append(option)
        else:
            problems.append(_problem(file, option.place, option.value))
    if requirement:
        settings = tuple((option.name, option.value) for option in options if option.name in OF_REQUIREMENT)
        yield FileRequirement(text=requirement, position=_position(file, line.place(0)), options=settings)
    for option in options:
        position = _position(file, option.place)
        if requirement and option.name not in OF_REQUIREMENT:
            message = f"{option.name} is not an option of a requirement; write it on a line of its own"
            problems.append(_problem(file, option.place, message))
        elif not requirement and option.name in OF_REQUIREMENT:
            problems.append(_problem(file, option.place, f"{option.name} stands without a requirement"))
        elif option.name == "--editable":
            yield FileRequirement(text=option.value, position=position, editable=True)
        elif not requirement:
            yield FileOption(name=option.name, value=option.value, position=position)
    yield from problems


def _parse_options(line: PlacedText) -> Iterator[_Option]:
    """The options of a line; one without a name is what is wrong with a part of it."""
    if _TOKEN.sub("", line.text).strip():
        yield _Option("", "a quote is not closed", line.place(0))
        return
    words = [(_unquoted(match[0]), line.place(match.start())) for match in _TOKEN.finditer(line.text)]
    position = 0
    while position < len(words):
        text, place = words[position]
        position += 1
        name, value = _split_option(text)
        if not name:
            shown = text.partition("=")[0][:_LONGEST_SHOWN]
            yield _Option("", f"{shown!r} is not an option of requirement files", place)
        elif value is not None or name in _FLAGS:
            yield _Option(name, value or "", place)
        elif position >= len(words):
            yield _Option("", f"{text} has no value", place)
        else:
            yield _Option(name, *words[position])
            position += 1


def _split_option(text: str) -> tuple[str, str | None]:
    """The long name of an option, and its value where it is part of the word; "" for what is none."""
    if not text.startswith("--"):
        name = _WITH_VALUE.get(text[:2], "")
        return name, text[2:] or None
    word, sign, value = text.partition("=")
    names = {*_WITH_VALUE, *_FLAGS}
    matches = {word} & names or {name for name in names if name.startswith(word) and name.startswith("--")}
    full = {_WITH_VALUE.get(name) or _FLAGS[name] for name in matches}
    return (full.pop() if len(full) == 1 else ""), (value if sign else None)


def _unquoted(word: str) -> str:
    def part(match: re.Match[str]) -> str:
        if match[2] is not None:
            return re.sub(r'\\(["\\])', r"\1", match[2])
        return match[3] if match[3] is not None else match[1]

    return _PART.sub(part, word)
