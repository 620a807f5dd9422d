"""pylock.toml and pdm.lock of another project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.lock_file import LockedPackage, LockFile, name_lines, too_many
from torchpin.project.toml_file import TomlFile, table_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_pylock(file: str, text: str) -> LockFile:
    """The packages of a pylock.toml; what is wrong with it is in its problems. One that is not valid is read all the same."""
    toml = TomlFile(file, text)
    rows = toml.rows(toml.tables, "packages", "")
    if not toml.problems:
        try:
            Pylock.from_dict(toml.tables)
        except (PylockValidationError, PylockUnsupportedVersionError, RecursionError) as error:
            _refuse(toml, (str(error).splitlines() or ["it is nested too deep"])[0])
    if refusal := too_many(rows):
        _refuse(toml, refusal)
        rows = ()
    lines = name_lines(text, "[[packages]]", len(rows))
    return LockFile(
        file=file,
        tool="pylock",
        packages=tuple(
            _pylock_package(row, line) for row, line in zip(rows, lines, strict=True) if text_of(row, "name")
        ),
        requires_python=text_of(toml.tables, "requires-python"),
        problems=tuple(toml.problems),
    )


def _refuse(toml: TomlFile, message: str) -> None:
    toml.problems.append(
        Problem(position=Position(file=toml.file, line=1, column=1), path="", message=message)
    )


def _pylock_package(row: Mapping[str, Any], line: int) -> LockedPackage:
    places = [table_of(row, key) for key in ("vcs", "archive", "directory")]
    addresses = [text_of(place, "url") or text_of(place, "path") for place in places]
    return LockedPackage(
        name=canonicalize_name(text_of(row, "name")),
        version=text_of(row, "version"),
        registry=text_of(row, "index"),
        address=next((address for address in addresses if address), ""),
        line=line,
        marker=text_of(row, "marker"),
        is_root=addresses[2] == ".",
    )


def read_pdm_lock(file: str, text: str) -> LockFile:
    """The packages of a pdm.lock; the group of what is always installed is `default`."""
    toml = TomlFile(file, text)
    rows = toml.rows(toml.tables, "package", "")
    if refusal := too_many(rows):
        _refuse(toml, refusal)
        rows = ()
    lines = name_lines(text, "[[package]]", len(rows))
    return LockFile(
        file=file,
        tool="pdm",
        packages=tuple(
            _pdm_package(row, line) for row, line in zip(rows, lines, strict=True) if text_of(row, "name")
        ),
        problems=tuple(toml.problems),
    )


def _pdm_package(row: Mapping[str, Any], line: int) -> LockedPackage:
    groups = row.get("groups")
    return LockedPackage(
        name=canonicalize_name(text_of(row, "name")),
        version=text_of(row, "version"),
        address=next((text_of(row, key) for key in ("git", "url", "path") if text_of(row, key)), ""),
        line=line,
        marker=text_of(row, "marker"),
        groups=tuple(canonicalize_name(group) for group in groups if isinstance(group, str))
        if isinstance(groups, list)
        else (),
    )
