"""pyproject.toml of another project: what `[project]` and `[dependency-groups]` ask for, with the settings of uv and Poetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.project.poetry import PoetryProject, read_poetry_project
from torchpin.project.toml_file import TomlFile, text_of
from torchpin.project.uv_settings import UvSettings, read_uv_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_GROUPS = 500  # real projects have below twenty

PlacedRequirement = tuple[str, Position]  # a requirement as it is written, and where


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonProject:
    """A pyproject.toml. `extras` and `groups`: by normalized name, what a group includes in its place."""

    file: str
    name: str = ""
    requires_python: str = ""
    dependencies: tuple[PlacedRequirement, ...] = ()
    extras: Mapping[str, tuple[PlacedRequirement, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[PlacedRequirement, ...]] = field(default_factory=dict)
    dynamic: tuple[str, ...] = ()  # fields that a build computes, such as `dependencies`
    requirement_files: tuple[str, ...] = ()  # that setuptools reads the dependencies from
    has_build_system: bool = False
    uv: UvSettings = field(default_factory=UvSettings)
    poetry: PoetryProject | None = None
    problems: tuple[Problem, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def required(
        self, extras: Iterable[str] = (), groups: Iterable[str] = (), *, with_project: bool = True
    ) -> tuple[PlacedRequirement, ...]:
        """What an install asks for: the dependencies (unless without project), and the named extras and groups."""
        rows = list(self.dependencies) if with_project else []
        for extra in dict.fromkeys(map(canonicalize_name, extras)):
            rows += self.extras.get(extra, ())
        for group in dict.fromkeys(map(canonicalize_name, groups)):
            rows += self.groups.get(group, ())
        return tuple(dict.fromkeys(rows))


def read_pyproject(file: str, text: str) -> PythonProject:
    """A pyproject.toml; what is wrong with it is in its problems, and counts as empty."""
    toml = TomlFile(file, text)
    project = toml.table("project")
    place = "project.optional-dependencies"
    optional = toml.table("project", "optional-dependencies")
    extras: dict[str, tuple[PlacedRequirement, ...]] = {
        canonicalize_name(name): _placed(toml, toml.texts(optional, name, place), place) for name in optional
    }
    dynamic = toml.texts(project, "dynamic", "project")
    return PythonProject(
        file=file,
        name=text_of(project, "name"),
        requires_python=text_of(project, "requires-python"),
        dependencies=_placed(toml, toml.texts(project, "dependencies", "project"), "project"),
        extras=extras,
        groups=_groups(toml),
        dynamic=dynamic,
        requirement_files=_dynamic_files(toml) if "dependencies" in dynamic else (),
        has_build_system="build-system" in toml.tables,
        uv=read_uv_settings(toml, "tool", "uv"),
        poetry=read_poetry_project(toml) if toml.table("tool", "poetry") else None,
        problems=tuple(toml.problems),
        tables=toml.tables,
    )


def _placed(toml: TomlFile, texts: Iterable[str], table: str) -> tuple[PlacedRequirement, ...]:
    return tuple((text, toml.position(text, table)) for text in texts)


def _dynamic_files(toml: TomlFile) -> tuple[str, ...]:
    """The requirement files of `[tool.setuptools.dynamic] dependencies = {file = […]}`."""
    entry = toml.table("tool", "setuptools", "dynamic", "dependencies")
    file = entry.get("file")
    return (
        (file,)
        if isinstance(file, str)
        else toml.texts(entry, "file", "tool.setuptools.dynamic.dependencies")
    )


def _groups(toml: TomlFile) -> dict[str, tuple[PlacedRequirement, ...]]:
    """The groups of `[dependency-groups]` with those that they include; an include in circles is a problem."""
    table: dict[str, Any] = {
        canonicalize_name(name): rows for name, rows in toml.table("dependency-groups").items()
    }
    if len(table) > _MOST_GROUPS:
        _refuse(toml, "", f"over {_MOST_GROUPS} groups are not read")
        return {}
    return {name: _group(toml, table, name) for name in table}


def _group(toml: TomlFile, table: Mapping[str, Any], name: str) -> tuple[PlacedRequirement, ...]:
    rows: list[PlacedRequirement] = []
    read: set[str] = set()
    waiting: list[tuple[object, tuple[str, ...]]] = [({"include-group": name}, ())]
    while waiting:
        entry, path = waiting.pop()
        included = canonicalize_name(text_of(entry, "include-group")) if isinstance(entry, dict) else ""
        if isinstance(entry, str):
            rows.append((entry, toml.position(entry, "dependency-groups")))
        elif included in path:
            _refuse(toml, name, f"group {included} includes itself")
        elif not isinstance(table.get(included), list):
            _refuse(toml, name, f"group {included or name} is not a list of requirements")
        elif included not in read:
            read.add(included)
            waiting += [(item, (*path, included)) for item in reversed(table[included])]
    return tuple(rows)


def _refuse(toml: TomlFile, group: str, message: str) -> None:
    problem = Problem(
        position=toml.key_position(group, "dependency-groups"),
        path=f"dependency-groups.{group}",
        message=message,
    )
    if problem not in toml.problems:
        toml.problems.append(problem)
