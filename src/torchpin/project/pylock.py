"""pylock.toml and pdm.lock of another project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.lock_file import LockedPackage, LockFile, too_many
from torchpin.project.toml_file import TomlFile, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.pylock import Package


def read_pylock(file: str, text: str) -> LockFile:
    """The packages of a pylock.toml; what is wrong with it is in its problems, and then it counts as empty."""
    toml = TomlFile(file, text)
    packages: tuple[LockedPackage, ...] = ()
    requires_python = ""
    if not toml.problems:
        try:
            lock = Pylock.from_dict(toml.tables)
            lines = _table_lines(text, "[[packages]]", len(lock.packages))
            packages = tuple(map(_pylock_package, lock.packages, lines))
            requires_python = str(lock.requires_python or "")
        except (PylockValidationError, PylockUnsupportedVersionError, RecursionError) as error:
            _refuse(toml, (str(error).splitlines() or ["it is nested too deep"])[0])
    if refusal := too_many(packages):
        _refuse(toml, refusal)
        packages = ()
    return LockFile(
        file=file,
        tool="pylock",
        packages=packages,
        requires_python=requires_python,
        problems=tuple(toml.problems),
    )


def _refuse(toml: TomlFile, message: str) -> None:
    toml.problems.append(
        Problem(position=Position(file=toml.file, line=1, column=1), path="", message=message)
    )


def _table_lines(text: str, header: str, number: int) -> list[int]:
    """The lines of the tables of a list, from 1; the first line where they are written otherwise."""
    lines = [n for n, line in enumerate(text.split("\n"), 1) if line.strip() == header]
    return lines if len(lines) == number else [1] * number


def _pylock_package(package: Package, line: int) -> LockedPackage:
    vcs, archive, directory = package.vcs, package.archive, package.directory
    address = (
        (vcs.url or vcs.path or "")
        if vcs
        else (archive.url or archive.path or "")
        if archive
        else directory.path
        if directory
        else ""
    )
    return LockedPackage(
        name=package.name,
        version=str(package.version or ""),
        registry=package.index or "",
        address=address,
        line=line,
        marker=str(package.marker or ""),
        is_root=bool(directory and directory.path in {".", ""}),
    )


def read_pdm_lock(file: str, text: str) -> LockFile:
    """The packages of a pdm.lock; the group of what is always installed is `default`."""
    toml = TomlFile(file, text)
    rows = toml.rows(toml.tables, "package", "")
    if refusal := too_many(rows):
        _refuse(toml, refusal)
        rows = ()
    lines = _table_lines(text, "[[package]]", len(rows))
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
