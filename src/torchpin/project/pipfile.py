"""Pipfile and Pipfile.lock of another project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.model import Position, Problem
from torchpin.parsing import parse_json
from torchpin.project.lock_file import LockedPackage, LockFile, too_many
from torchpin.project.toml_file import TomlFile, table_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARKERS = (
    "sys_platform",
    "platform_machine",
    "platform_system",
    "os_name",
    "python_version",
    "python_full_version",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipfileEntry:
    """A package of a Pipfile as a requirement of PEP 508; `index`: the name of its source, "" for the first one."""

    text: str
    position: Position
    index: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipfile:
    """`sources`: name and address of each index, in their order; `requires_python` as `==3.12.*`."""

    file: str
    packages: tuple[PipfileEntry, ...] = ()
    dev_packages: tuple[PipfileEntry, ...] = ()
    sources: tuple[tuple[str, str, Position], ...] = ()
    requires_python: str = ""
    problems: tuple[Problem, ...] = ()


def read_pipfile(file: str, text: str) -> Pipfile:
    """A Pipfile; what is wrong with it is in its problems."""
    toml = TomlFile(file, text)
    requires = toml.table("requires")
    full, minor = text_of(requires, "python_full_version"), text_of(requires, "python_version")
    return Pipfile(
        file=file,
        packages=tuple(_entries(toml, "packages")),
        dev_packages=tuple(_entries(toml, "dev-packages")),
        sources=tuple(
            (text_of(row, "name"), text_of(row, "url"), toml.position(text_of(row, "url"), "source"))
            for row in toml.rows(toml.tables, "source", "")
        ),
        requires_python=f"=={full}" if full else f"=={minor}.*" if minor else "",
        problems=tuple(toml.problems),
    )


def _entries(toml: TomlFile, table: str) -> Iterator[PipfileEntry]:
    for name, value in toml.table(table).items():
        row = {"version": value} if isinstance(value, str) else value
        if not isinstance(row, dict):
            toml.wrong_type(f"{table}.{name}", "a version, or a table")
            continue
        yield PipfileEntry(
            text=_requirement(name, row), position=toml.key_position(name, table), index=text_of(row, "index")
        )


def _requirement(name: str, row: Mapping[str, Any]) -> str:
    extras = row.get("extras")
    names = ",".join(extra for extra in extras if isinstance(extra, str)) if isinstance(extras, list) else ""
    text = f"{name}[{names}]" if names else name
    git, ref = text_of(row, "git"), text_of(row, "ref")
    address = f"git+{git}{f'@{ref}' if ref else ''}" if git else text_of(row, "file")
    version = text_of(row, "version")
    if address:
        text += f" @ {address}"
    elif text_of(row, "path"):
        text += f" @ file:{text_of(row, 'path')}"
    elif version and version != "*":
        text += version
    parts = [f"({text_of(row, 'markers')})"] if text_of(row, "markers") else []
    parts += [f"{marker} {text_of(row, marker)}" for marker in _MARKERS if text_of(row, marker)]
    return f"{text} ; {' and '.join(parts)}" if parts else text


def read_pipfile_lock(file: str, text: str) -> LockFile:
    """The packages of a Pipfile.lock, in its groups `default` and `develop`."""
    problems: list[Problem] = []
    try:
        lock = parse_json(text)
    except ValueError as error:
        lock, reason = {}, str(error)
        problems.append(_problem(file, f"it is not JSON: {reason}"))
    if not isinstance(lock, dict):
        problems.append(_problem(file, "it is not a table"))
        lock = {}
    sources = table_of(lock, "_meta").get("sources")
    urls = {
        text_of(row, "name"): text_of(row, "url")
        for row in (sources if isinstance(sources, list) else ())
        if isinstance(row, dict)
    }
    lines = _key_lines(text)
    packages = tuple(
        LockedPackage(
            name=canonicalize_name(name),
            version=text_of(row, "version").removeprefix("=="),
            registry=urls.get(text_of(row, "index"), ""),
            address=text_of(row, "git") or text_of(row, "file") or text_of(row, "path"),
            line=lines.get((group, name), 1),
            marker=text_of(row, "markers"),
            groups=(group,),
        )
        for group in ("default", "develop")
        for name, row in table_of(lock, group).items()
        if isinstance(row, dict)
    )
    if refusal := too_many(packages):
        problems.append(_problem(file, refusal))
        packages = ()
    return LockFile(file=file, tool="pipenv", packages=packages, problems=tuple(problems))


def _problem(file: str, message: str) -> Problem:
    return Problem(position=Position(file=file, line=1, column=1), path="", message=message)


def _key_lines(text: str) -> dict[tuple[str, str], int]:
    """The lines of the packages as pipenv writes them: an indented key a line, below `default` or `develop`."""
    lines: dict[tuple[str, str], int] = {}
    group = ""
    for number, line in enumerate(text.split("\n"), start=1):
        name, separator, _ = line.strip().partition('": {')
        if separator:
            group = name[1:] if name[1:] in {"default", "develop", "_meta"} else group
            lines.setdefault((group, name[1:]), number)
    return lines
