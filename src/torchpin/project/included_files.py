"""A requirement file with those that it includes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.model import Problem
from torchpin.project.requirement_file import FileOption, FileRequirement, Row, parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torchpin.model import Position

# Names of lists in the text of a Dockerfile, and whatever stands behind an option that reads a file.
_SUFFIXES = "txt|in|pip|ya?ml|toml|lock|conf|cfg|ini"
_LIST_SUFFIX = re.compile(rf"(?<=[\w-])\.(?:{_SUFFIXES})\b", re.ASCII)
_OTHER_CHARACTER = re.compile(r"[^\w.@/-]", re.ASCII)
_LONGEST_NAME = 200  # characters
_QUOTED_NAME = re.compile(rf"[\"'](?P<name>[^\"'\n]{{1,200}}\.(?:{_SUFFIXES}))[\"']")
# What a COPY gives such a name.
_COPIED_NAME = re.compile(
    rf"^[ \t]*(?:COPY|ADD)[ \t]+(?:--\S{{1,200}}[ \t]+){{0,5}}(?P<name>[\w.@/-]{{1,200}})[ \t]+\S{{1,200}}\.(?:{_SUFFIXES})[ \t]*$",
    re.ASCII | re.MULTILINE | re.IGNORECASE,
)
_PRINTED_NAME = re.compile(r"\bcat[ \t]+(?P<name>[\w.@/-]{1,200})", re.ASCII)
_FILE_OPTION = re.compile(
    r"(?:^|\s)(?:-[rcf]|--(?:requirements?|constraints?|overrides?|file))(?:[ \t=]+|(?<=-[rcf]))[\"']?(?P<name>[\w.@/-]{1,200})",
    re.ASCII | re.MULTILINE,
)
INCLUDES = frozenset({"--requirement", "--constraint"})
MOST_INCLUDED = 100  # files that one includes, directly or not; real ones include below ten


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingFile:
    """A file that is included and that the project does not have."""

    name: str
    position: Position


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementRows:
    """What a file and those that it includes hold, in pip's order; `options` in the order in which pip applies them."""

    requirements: tuple[FileRequirement, ...] = ()
    options: tuple[FileOption, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()


def named_files(text: str) -> set[str]:
    """The names in a Dockerfile or a requirement file that may be those of files that an install reads."""
    return {
        *(match["name"] for match in _QUOTED_NAME.finditer(text)),
        *(_name_before(text, match.end()) for match in _LIST_SUFFIX.finditer(text)),
        *(match["name"] for match in _FILE_OPTION.finditer(text)),
        *(match["name"] for match in _COPIED_NAME.finditer(text)),
        *(match["name"] for match in _PRINTED_NAME.finditer(text)),
    }


def _name_before(text: str, end: int) -> str:
    return _OTHER_CHARACTER.split(text[max(end - _LONGEST_NAME, 0) : end])[-1]


def read_requirement_file(
    path: str,
    *,
    texts: Mapping[str, str],
    find: Callable[[str, str], str | None],
    is_constraint: bool = False,
    parsed: dict[str, tuple[Row, ...]] | None = None,
) -> RequirementRows:
    """A file with those that it includes, each read once. `find`: the path of a name in a file, None where there is none.

    `parsed`: the rows of single files by path, kept from one call to the next for the same texts.
    """
    reading = _Collector(texts, find, {} if parsed is None else parsed)
    reading.read(path, is_constraint=is_constraint)
    return RequirementRows(
        requirements=tuple(reading.requirements),
        options=tuple(reading.options),
        missing=tuple(reading.missing),
        problems=tuple(reading.problems),
        files=tuple(dict.fromkeys(file for file, _ in reading.seen)),
    )


class _Collector:
    """The rows of a file and of those that it includes while they are collected."""

    def __init__(
        self,
        texts: Mapping[str, str],
        find: Callable[[str, str], str | None],
        parsed: dict[str, tuple[Row, ...]],
    ) -> None:
        self._texts, self._find, self._parsed = texts, find, parsed
        self.requirements: list[FileRequirement] = []
        self.options: list[FileOption] = []
        self.missing: list[MissingFile] = []
        self.problems: list[Problem] = []
        self.seen: dict[tuple[str, bool], None] = {}

    def read(self, path: str, *, is_constraint: bool) -> None:
        # a stack and not recursion: a chain of includes may be longer than Python's stack
        stack = [(is_constraint, self._rows(path))]
        self.seen[path, is_constraint] = None
        while stack:
            constraining, rows = stack[-1]
            row = next(rows, None)
            if row is None:
                stack.pop()
            elif isinstance(row, Problem):
                self.problems.append(row)
            elif isinstance(row, FileRequirement):
                self.requirements.append(replace(row, is_constraint=constraining))
            elif row.name in INCLUDES:
                included = self._included(row, constraining or row.name == "--constraint")
                stack += [included] if included else []
            else:
                self.options.append(row)

    def _rows(self, path: str) -> Iterator[Row]:
        if path not in self._parsed:
            self._parsed[path] = tuple(parse_rows(self._texts.get(path, ""), path))
        return iter(self._parsed[path])

    def _included(self, row: FileOption, is_constraint: bool) -> tuple[bool, Iterator[Row]] | None:
        path = self._find(row.value, row.position.file)
        if path is None:
            self.missing.append(MissingFile(name=row.value, position=row.position))
        elif (path, is_constraint) in self.seen:
            return None
        elif len(self.seen) > MOST_INCLUDED:
            message = f"{row.value} is not read: over {MOST_INCLUDED} files are included"
            self.problems.append(Problem(position=row.position, path="", message=message))
        else:
            self.seen[path, is_constraint] = None
            return is_constraint, self._rows(path)
        return None
