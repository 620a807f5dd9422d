"""Poetry's part of another project: `[tool.poetry]` of pyproject.toml, and poetry.lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.lock_file import LockedPackage, LockFile, name_lines, too_many
from torchpin.project.toml_file import TomlFile, table_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_CONSTRAINT = 500  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class PoetryDependency:
    """A dependency as a requirement of PEP 508; `source`: the name of its index, "" for the project's own order."""

    text: str
    position: Position
    source: str = ""
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PoetrySource:
    """An index. `priority`: primary, supplemental or explicit (older: default, secondary)."""

    name: str
    url: str
    priority: str
    position: Position


@dataclass(frozen=True, kw_only=True, slots=True)
class PoetryProject:
    """`[tool.poetry]`. `extras`: the normalized names of the optional dependencies that each brings."""

    name: str = ""
    requires_python: str = ""
    dependencies: tuple[PoetryDependency, ...] = ()
    groups: Mapping[str, tuple[PoetryDependency, ...]] = field(default_factory=dict)
    optional_groups: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[PoetrySource, ...] = ()


def read_poetry_project(toml: TomlFile) -> PoetryProject:
    """The settings below `[tool.poetry]`; what is wrong with them is added to the file's problems."""
    table, name = toml.table("tool", "poetry"), "tool.poetry"
    groups: dict[str, tuple[PoetryDependency, ...]] = {
        canonicalize_name(group): _dependencies(
            toml,
            toml.table("tool", "poetry", "group", group, "dependencies"),
            f"{name}.group.{group}.dependencies",
        )
        for group, value in toml.table("tool", "poetry", "group").items()
        if isinstance(value, dict)
    }
    if "dev-dependencies" in table:
        groups["dev"] = _dependencies(toml, table_of(table, "dev-dependencies"), f"{name}.dev-dependencies")
    python = table_of(table, "dependencies").get("python")
    return PoetryProject(
        name=text_of(table, "name"),
        requires_python=specifier_text(python) if isinstance(python, str) else "",
        dependencies=_dependencies(toml, table_of(table, "dependencies"), f"{name}.dependencies"),
        groups=groups,
        optional_groups=tuple(
            canonicalize_name(group)
            for group, value in toml.table("tool", "poetry", "group").items()
            if isinstance(value, dict) and value.get("optional") is True
        ),
        extras={
            canonicalize_name(extra): tuple(
                map(canonicalize_name, toml.texts(table_of(table, "extras"), extra, f"{name}.extras"))
            )
            for extra in table_of(table, "extras")
        },
        sources=tuple(
            PoetrySource(
                name=text_of(row, "name"),
                url=text_of(row, "url"),
                priority=text_of(row, "priority") or ("default" if row.get("default") is True else "primary"),
                position=toml.position(text_of(row, "url") or text_of(row, "name"), f"{name}.source"),
            )
            for row in toml.rows(table, "source", name)
        ),
    )


def _dependencies(toml: TomlFile, table: Mapping[str, Any], place: str) -> tuple[PoetryDependency, ...]:
    rows: list[PoetryDependency] = []
    for name, value in table.items():
        if canonicalize_name(name) == "python":
            continue
        position = toml.key_position(name, place)
        for entry in value if isinstance(value, list) else [value]:
            row = {"version": entry} if isinstance(entry, str) else entry
            if not isinstance(row, dict):
                toml.wrong_type(f"{place}.{name}", "a version, or a table")
                continue
            rows.append(_dependency(toml, name, row, position))
    return tuple(rows)


def _dependency(toml: TomlFile, name: str, row: Mapping[str, Any], position: Position) -> PoetryDependency:
    extras = row.get("extras")
    names = ",".join(extra for extra in extras if isinstance(extra, str)) if isinstance(extras, list) else ""
    text = f"{name}[{names}]" if names else name
    address = _address(row)
    constraint = text_of(row, "version")
    if address:
        text += f" @ {address}"
    elif constraint:
        try:
            text += specifier_text(constraint)
        except ValueError as error:
            toml.problems.append(Problem(position=position, path=name, message=str(error)))
    marker = _marker(row)
    return PoetryDependency(
        text=f"{text} ; {marker}" if marker else text,
        position=position,
        source=text_of(row, "source"),
        optional=row.get("optional") is True,
    )


def _address(row: Mapping[str, Any]) -> str:
    git = text_of(row, "git")
    if git:
        revision = next((text_of(row, key) for key in ("rev", "tag", "branch") if text_of(row, key)), "")
        folder = text_of(row, "subdirectory")
        fragment = f"#subdirectory={folder}" if folder else ""
        return f"git+{git.removeprefix('git+')}{f'@{revision}' if revision else ''}{fragment}"
    path = text_of(row, "path")
    return text_of(row, "url") or (f"file:{path}" if path else "")


def _marker(row: Mapping[str, Any]) -> str:
    """The marker of a dependency: its own, its Pythons and its platform."""
    parts = [f"({text_of(row, 'markers')})"] if text_of(row, "markers") else []
    try:
        clauses = [clause for clause in specifier_text(text_of(row, "python")).split(",") if clause]
    except ValueError:
        clauses = []
    for clause in clauses:
        operator = clause.rstrip("0123456789.*abcdevpostr")
        version = clause[len(operator) :]
        variable = "python_version" if version.count(".") <= 1 else "python_full_version"
        parts.append(f"{variable} {operator} '{version}'")
    platform = text_of(row, "platform")
    return " and ".join([*parts, *([f"sys_platform == '{platform}'"] if platform else [])])


def specifier_text(constraint: str) -> str:
    """A constraint of Poetry (`^2.6`, `~1.2`, `1.*`) as specifiers of PEP 440, "" for any version.

    Of one that is a union (`^1 || ^3`) the bounds around all of it. Raises ValueError for what is no constraint.
    """
    if constraint.strip() in {"", "*"}:
        return ""
    if len(constraint) > _LONGEST_CONSTRAINT:
        message = f"a constraint of {len(constraint)} characters is not read"
        raise ValueError(message)
    # imported where it is needed: most projects have no Poetry
    from poetry.core.constraints.version import Version, VersionUnion, parse_constraint

    try:
        parsed = parse_constraint(constraint)
    except (ValueError, RecursionError):
        message = f"{constraint!r} is not a version constraint of Poetry"
        raise ValueError(message) from None
    if isinstance(parsed, Version):
        return f"=={parsed}"
    if isinstance(parsed, VersionUnion) and "||" in str(parsed):
        ranges = parsed.ranges
        low, high = ranges[0], ranges[-1]
        lowest = f"{'>=' if low.include_min else '>'}{low.min}" if low.min else ""
        highest = f"{'<=' if high.include_max else '<'}{high.max}" if high.max else ""
        return ",".join(clause for clause in (lowest, highest) if clause)
    return str(parsed).replace(" ", "")


def read_poetry_lock(file: str, text: str) -> LockFile:
    """The packages of a poetry.lock; what is wrong with it is in its problems."""
    toml = TomlFile(file, text)
    rows = toml.rows(toml.tables, "package", "")
    if refusal := too_many(rows):
        position = Position(file=file, line=1, column=1)
        toml.problems.append(Problem(position=position, path="", message=refusal))
        rows = ()
    lines = name_lines(text, "[[package]]", len(rows))
    return LockFile(
        file=file,
        tool="poetry",
        packages=tuple(_packages(rows, lines)),
        requires_python=text_of(toml.table("metadata"), "python-versions"),
        problems=tuple(toml.problems),
    )


def _packages(rows: tuple[Mapping[str, Any], ...], lines: list[int]) -> Iterator[LockedPackage]:
    for row, line in zip(rows, lines, strict=True):
        source = table_of(row, "source")
        kind, url = text_of(source, "type"), text_of(source, "url")
        groups = row.get("groups")
        category = text_of(row, "category")  # of older locks
        names = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
        markers = row.get("markers")
        if text_of(row, "name"):
            yield LockedPackage(
                name=canonicalize_name(text_of(row, "name")),
                version=text_of(row, "version"),
                registry=url if kind == "legacy" else "",
                address=url if kind != "legacy" else "",
                line=line,
                marker=markers if isinstance(markers, str) else "",
                forks=tuple(marker for marker in markers.values() if isinstance(marker, str))
                if isinstance(markers, dict)
                else (),
                groups=tuple(map(canonicalize_name, names or ([category] if category else []))),
            )
