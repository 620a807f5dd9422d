"""Reads service.yaml to a Service, and reports every problem of every file at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.environments import mirror_variable
from torchpin.description.sections.service import SERVICE, build_service, check_service
from torchpin.description.settings import file_package_names, mirror_names
from torchpin.description.shape_reader import read_shape
from torchpin.description.yaml_reader import Reader
from torchpin.errors import InputError
from torchpin.model import Problem
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.model import Service


def read_services(texts: Mapping[str, str]) -> tuple[Service, ...]:
    """All services of a repository, from `{path: text}` of every services/<name>/service.yaml.

    Raises InputError with every problem of every file.
    """
    services, problems = read_valid_services(texts)
    if problems:
        raise description_error(problem for file_problems in problems.values() for problem in file_problems)
    return services


def description_error(problems: Iterable[Problem]) -> InputError:
    """The error for descriptions with these problems, which are listed by file and line."""
    listed = sorted(
        problems,
        key=lambda problem: (problem.position.file, problem.position.line, problem.position.column),
    )
    number = count(len(listed), "problem")
    return InputError(f"{number} in the descriptions; nothing was written", listed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What a file describes: the service, or None and the problems of the file."""

    file: str
    service: Service | None
    problems: list[Problem] = field(default_factory=list)


def read_valid_services(
    texts: Mapping[str, str],
) -> tuple[tuple[Service, ...], dict[str, tuple[Problem, ...]]]:
    """The services whose descriptions have no problem, and by path the problems of the others."""
    return valid_services([read_description(path, text) for path, text in sorted(texts.items())])


def valid_services(
    described: Sequence[Described],
) -> tuple[tuple[Service, ...], dict[str, tuple[Problem, ...]]]:
    """The same of files that were read, each by itself; the problems that they have beside each other are added to theirs."""
    _require_unique_environments(described)
    _require_unique_mirrors(described)
    valid = tuple(row.service for row in described if row.service and not row.problems)
    return valid, {row.file: tuple(row.problems) for row in described if row.problems}


def _require_unique_environments(described: Iterable[Described]) -> None:
    """Adds a problem for two variants with one environment name, as service `a` with `b-c` and `a-b` with `c` have."""
    taken: dict[str, str] = {}
    for row in described:
        for variant in row.service.variants if row.service else ():
            name = f"{row.service.name}-{variant.name}" if row.service else ""
            if name in taken:
                path = f"variants.{variant.name}"
                message = f"environment {name!r} already exists, in {taken[name]}; choose another name"
                _add_problem(row, path, message)
            taken[name] = row.file


def _require_unique_mirrors(described: Iterable[Described]) -> None:
    """Adds a problem for a source, an index or a package with the mirror variable of another address.

    That is one of a channel, `pypi`, a registry (`docker-io`), or of another source, index or package of the service.
    """
    bare = [replace(row.service, sources=(), indexes=(), layers=()) for row in described if row.service]
    common = {mirror_variable(name): name for name in mirror_names(bare)}
    for row in described:
        taken: dict[str, str] = {}
        for path, name, kind in _named_addresses(row.service) if row.service else ():
            variable = mirror_variable(name)
            owner = common.get(variable) or taken.setdefault(variable, kind)
            if owner != kind:
                message = f"{name!r} has the mirror variable of {owner}; choose another name"
                _add_problem(row, path, message)


def _add_problem(row: Described, path: str, message: str) -> None:
    if row.service:
        position = row.service.positions[path]
        row.problems.append(Problem(position=position, path=path, message=message))


def _named_addresses(service: Service) -> Iterator[tuple[str, str, str]]:
    """The key path, the name, and what has the name, of everything whose address a mirror can replace."""
    for number, source in enumerate(service.sources):
        yield f"sources[{number}].name", source.name, f"the source {source.name}"
    for index in service.indexes:
        yield f"indexes.{index.name}", index.name, f"the index {index.name}"
    for path, name in file_package_names(service):
        if (
            name not in facts.abi_packages()
        ):  # its release page has this variable, and the file may be there as well
            yield path, name, f"the package {name}"


def read_description(file: str, text: str) -> Described:
    """What a service.yaml describes, seen by itself."""
    reader = Reader(file)
    root = reader.compose(text)
    if root is None:
        return Described(file=file, service=None, problems=reader.problems)
    values = read_shape(reader, root, "", SERVICE)
    check_service(reader, values)
    if reader.problems:
        return Described(file=file, service=None, problems=reader.problems)
    return Described(file=file, service=build_service(values, MappingProxyType(reader.positions)))
