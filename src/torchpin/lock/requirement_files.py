"""The requirements files of a source, as they are resolved: with the files that they include, and what of them is not used."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.compat.markers import marker_environment, marker_holds
from torchpin.controls import CONTROL
from torchpin.model import Position, Problem
from torchpin.project.included_files import INCLUDES
from torchpin.project.requirement_file import FileOption, logical_lines, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torchpin.model import Environment
    from torchpin.project.requirement_file import Row

CONSTRAINT = "-c "  # before the text of a constraint
_MOST_FILES = 50  # that include each other
_ITSELF = re.compile(r"\.(?:/)?(?P<extras>\[[A-Za-z0-9._, -]*\])?")
# Options about where and how pip looks for files, which torchpin decides itself.
_UNUSED = {
    **dict.fromkeys(
        ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--trusted-host"),
        "torch's family comes from the variant's channel, all else from PyPI; pin in a layer what is not there",
    ),
    **dict.fromkeys(
        ("--pre", "--prefer-binary", "--no-binary", "--only-binary", "--use-feature", "--require-hashes"),
        "the lock has one hashed file of each package; pin in a layer what has to be another one",
    ),
}


@dataclass(kw_only=True, slots=True)
class SourceRequirements:
    """What files ask for: requirements as pip reads them, and constraints behind `-c `; `notes` say what is not used."""

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class _FileReading:
    env: Environment
    folder: str
    read: Callable[[str], str | None]
    pinned: Collection[str]
    is_package: bool
    result: SourceRequirements
    seen: set[tuple[str, bool]] = field(default_factory=set)
    target: Mapping[str, str] = field(default_factory=dict)


def read_requirement_files(
    env: Environment,
    names: Collection[str],
    *,
    folder: str,
    read: Callable[[str], str | None],
    pinned: Collection[str],
    is_package: bool,
) -> SourceRequirements:
    """What the files of a source ask for, in the order of their lines.

    `folder` is that of the clone, for messages; `read` gives the text of a file in it, None where there is none. `pinned` are
    the packages that the description pins: their lines need not be installable. `is_package`: the source itself is
    installed, as a line `-e .` wants it.
    """
    reading = _FileReading(
        env=env,
        folder=folder,
        read=read,
        pinned=pinned,
        is_package=is_package,
        result=SourceRequirements(),
        target=marker_environment(env),
    )
    for name in names:
        _read_file(reading, name, Position(file=f"{folder}/{name}", line=0, column=0), is_constraint=False)
    return reading.result


def parse_requirement(text: str) -> Requirement:
    """The requirement of a text. Raises ValueError for one that is none, or that cannot be written as it was read.

    The strings of markers may have escapes, and quotes or line breaks by them, which packaging writes without escapes.
    """
    try:
        requirement = Requirement(text)
        written = Requirement(str(requirement))
    except (ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or ["it is nested too deep"])[0]
        message = f"{text!r} is not a requirement ({reason})"
        raise ValueError(message) from None
    if CONTROL.search(str(written)):
        message = f"{text!r} is not a requirement (it has a control character)"
        raise ValueError(message)
    return requirement


def _read_file(reading: _FileReading, name: str, position: Position, *, is_constraint: bool) -> None:
    """Read a file of the clone, each once; `position` is of what names it."""
    name = posixpath.normpath(name)
    if (name, is_constraint) in reading.seen:
        return
    reading.seen.add((name, is_constraint))
    if name.startswith(("/", "../")) or name == ".." or "://" in name or "$" in name:
        _refuse(reading, position, f"{name} is not in the clone; copy what it pins into a layer")
        return
    if len(reading.seen) > _MOST_FILES:
        _refuse(reading, position, f"more than {_MOST_FILES} files are included")
        return
    text = reading.read(name)
    if text is None:
        _refuse(reading, position, f"{name} is not in the clone")
        return
    for line in logical_lines(text):
        place = Position(file=f"{reading.folder}/{name}", line=line.place(0).line, column=1)
        for row in parse_line(line, name):
            _read_row(reading, name, row, line.text, place, is_constraint=is_constraint)


def _refuse(reading: _FileReading, position: Position, message: str) -> None:
    reading.result.problems.append(Problem(position=position, path="", message=message))


def _read_row(
    reading: _FileReading, name: str, row: Row, line: str, position: Position, *, is_constraint: bool
) -> None:
    """A row of a file; `line`: the whole line, for messages."""
    if isinstance(row, Problem):
        _refuse(reading, position, row.message)
    elif isinstance(row, FileOption) and row.name in INCLUDES:
        included = posixpath.join(posixpath.dirname(name), row.value)
        _read_file(reading, included, position, is_constraint=is_constraint or row.name == "--constraint")
    elif isinstance(row, FileOption):
        _read_option(reading, row.name, line, position)
    elif row.editable or row.text.startswith((".", "/", "file:")):
        _read_path(reading, row.text, line, position)
    else:
        _read_requirement(reading, row.text, position, is_constraint=is_constraint)


def _read_path(reading: _FileReading, target: str, line: str, position: Position) -> None:
    """A line that installs a folder: the source itself is installed by a word of the description, others cannot be."""
    named = re.search(r"#egg=(?P<name>[\w.-]+)", target)
    itself = _ITSELF.fullmatch(target)
    if itself:
        place = f"{position.file}:{position.line}"
        if not reading.is_package:
            note = f"{place}: `{line}` is left out; `install: editable` installs the source itself"
            reading.result.notes.append(note)
        elif itself["extras"]:
            note = f"{place}: the extras of `{line}` are left out; pin in a layer what they ask for"
            reading.result.notes.append(note)
    elif named and canonicalize_name(named["name"]) in reading.pinned:
        return
    else:
        _refuse(
            reading,
            position,
            f"`{line}` installs a folder or a repository, which a lock has no hash of; add a source with `install: wheel`",
        )


def _read_option(reading: _FileReading, option: str, line: str, position: Position) -> None:
    why = _UNUSED.get(option)
    if why:
        reading.result.notes.append(f"{position.file}:{position.line}: `{line}` is not used: {why}")
    else:
        _refuse(reading, position, f"`{line}` is an option that torchpin does not know")


def _read_requirement(reading: _FileReading, text: str, position: Position, *, is_constraint: bool) -> None:
    try:
        requirement = parse_requirement(text)
    except ValueError as error:
        _refuse(reading, position, f"{error}; name another file in `requirements`")
        return
    name = canonicalize_name(requirement.name)
    is_needed = name not in reading.pinned and marker_holds(requirement.marker, reading.target)
    if requirement.url and is_needed:
        _refuse(
            reading,
            position,
            f"{requirement.name} comes from an address, {requirement.url}; pin a version of it in a layer, which is used instead",
        )
        return
    reading.result.lines.append(f"{CONSTRAINT if is_constraint else ''}{text}")
