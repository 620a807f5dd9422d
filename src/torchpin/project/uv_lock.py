"""uv.lock: its packages with their indexes, and which of them `uv sync` installs in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.lock_file import (
    LockedDependency,
    LockedPackage,
    LockFile,
    by_name,
    name_lines,
    select_package,
    too_many,
)
from torchpin.project.markers import holds
from torchpin.project.toml_file import TomlFile, table_of, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from torchpin.project.markers import MarkerTarget

_VERSION = 1  # of the file's format that is read; its revisions only add


def read_uv_lock(file: str, text: str) -> LockFile:
    """The packages of a uv.lock; what is wrong with it is in its problems."""
    toml = TomlFile(file, text)
    rows = toml.rows(toml.tables, "package", "")
    format_version = toml.tables.get("version", _VERSION)
    refusal = (
        f"its format {format_version} is not the one that is read ({_VERSION})"
        if format_version != _VERSION
        else too_many(rows)
    )
    if refusal:
        position = Position(file=file, line=1, column=1)
        toml.problems.append(Problem(position=position, path="", message=refusal))
        rows = ()
    lines = name_lines(text, "[[package]]", len(rows))
    packages = tuple(
        _package(row, line) for row, line in zip(rows, lines, strict=True) if text_of(row, "name")
    )
    return LockFile(
        file=file,
        tool="uv",
        packages=packages,
        requires_python=text_of(toml.tables, "requires-python"),
        problems=tuple(toml.problems),
    )


def _package(row: Mapping[str, Any], line: int) -> LockedPackage:
    source = table_of(row, "source")
    address = next((text_of(source, key) for key in ("git", "url", "path", "directory") if key in source), "")
    local = next((text_of(source, key) for key in ("editable", "virtual") if key in source), None)
    forks = row.get("resolution-markers")
    return LockedPackage(
        name=canonicalize_name(text_of(row, "name")),
        version=text_of(row, "version"),
        registry=text_of(source, "registry"),
        address=local if local is not None else address,
        line=line,
        forks=tuple(fork for fork in forks if isinstance(fork, str)) if isinstance(forks, list) else (),
        requires=_dependencies(row.get("dependencies")),
        extras=_dependency_lists(table_of(row, "optional-dependencies")),
        group_requires=_dependency_lists(table_of(row, "dev-dependencies")),
        is_root=local is not None,
    )


def _dependency_lists(table: Mapping[str, Any]) -> dict[str, tuple[LockedDependency, ...]]:
    return {canonicalize_name(name): _dependencies(rows) for name, rows in table.items()}


def _dependencies(rows: object) -> tuple[LockedDependency, ...]:
    return tuple(
        LockedDependency(
            name=canonicalize_name(text_of(row, "name")),
            version=text_of(row, "version"),
            marker=text_of(row, "marker"),
            extras=tuple(canonicalize_name(extra) for extra in _extras(row)),
        )
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and text_of(row, "name")
    )


def _extras(row: Mapping[str, Any]) -> tuple[str, ...]:
    extras = row.get("extra")
    return tuple(extra for extra in extras if isinstance(extra, str)) if isinstance(extras, list) else ()


def find_root(lock: LockFile, name: str = "") -> LockedPackage | None:
    """The project of a lock: by its name, else the one at its folder, else the only one."""
    roots = [package for package in lock.packages if package.is_root]
    named = [package for package in roots if package.name == canonicalize_name(name)] if name else []
    at_folder = [package for package in roots if package.address == "."]
    return next(iter(named or at_folder or (roots if len(roots) == 1 else [])), None)


def installed_packages(
    lock: LockFile,
    root: LockedPackage,
    target: MarkerTarget,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
    with_project: bool = True,
) -> tuple[tuple[LockedPackage, bool], ...]:
    """What a sync of a project installs, with whether the project itself requires it; `extras`, `groups`: what is requested.

    `with_project` False: the groups alone, as with `--only-group`. A package that may or may not apply is in it.
    """
    rows = by_name(lock.packages)
    # where extras or groups conflict, uv writes them into markers as names of extras
    active = {
        *(f"extra-{len(root.name)}-{root.name}-{extra}" for extra in extras),
        *(f"group-{len(root.name)}-{root.name}-{group}" for group in groups),
    }
    direct = [dependency for group in groups for dependency in root.group_requires.get(group, ())]
    if with_project:
        direct += [*root.requires, *(item for extra in extras for item in root.extras.get(extra, ()))]
    selected: dict[tuple[str, str], tuple[LockedPackage, bool]] = {}
    visited: set[tuple[str, str, str]] = set()
    waiting = [(dependency, True) for dependency in reversed(direct)]
    while waiting:
        dependency, is_direct = waiting.pop()
        if holds(dependency.marker, target, active) is False:
            continue
        package = _row(rows.get(dependency.name, []), dependency, target, active)
        if package is None:
            continue
        key = (package.name, package.version)
        selected[key] = (package, is_direct or selected.get(key, (package, False))[1])
        waiting += [(item, False) for item in _unvisited(package, dependency, visited)]
    return tuple(selected.values())


def _row(
    rows: list[LockedPackage], dependency: LockedDependency, target: MarkerTarget, active: Collection[str]
) -> LockedPackage | None:
    same = [row for row in rows if not dependency.version or row.version == dependency.version]
    return same[0] if len(same) == 1 else select_package(same, target, active)


def _unvisited(
    package: LockedPackage, dependency: LockedDependency, visited: set[tuple[str, str, str]]
) -> Iterator[LockedDependency]:
    """What a package and the extras by which it is required need, each once."""
    for extra in ("", *dependency.extras):
        if (package.name, package.version, extra) not in visited:
            visited.add((package.name, package.version, extra))
            yield from package.extras.get(extra, ()) if extra else package.requires
