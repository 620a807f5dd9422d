"""Reads service.yaml to a Service, and reports every problem of every file at once."""

from __future__ import annotations

from dataclasses import replace
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    count = f"{len(listed)} problem{'s' if len(listed) > 1 else ''}"
    return InputError(f"{count} in the descriptions; nothing was written", listed)


def read_valid_services(
    texts: Mapping[str, str],
) -> tuple[tuple[Service, ...], dict[str, tuple[Problem, ...]]]:
    """The services whose descriptions have no problem, and by path the problems of the others."""
    readers = [(Reader(path), text) for path, text in sorted(texts.items())]
    described = [(reader, _read_service(reader, text)) for reader, text in readers]
    _require_unique_environments(described)
    _require_unique_mirrors(described)
    valid = tuple(service for reader, service in described if service and not reader.problems)
    return valid, {reader.file: tuple(reader.problems) for reader, _ in readers if reader.problems}


def _require_unique_environments(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """Adds a problem for two variants with one environment name, as service `a` with `b-c` and `a-b` with `c` have."""
    taken: dict[str, str] = {}
    for reader, service in described:
        for variant in service.variants if service else ():
            name = f"{service.name}-{variant.name}" if service else ""
            if name in taken:
                path = f"variants.{variant.name}"
                message = f"environment {name!r} already exists, in {taken[name]}; choose another name"
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))
            taken[name] = reader.file


def _require_unique_mirrors(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """Adds a problem for a source, an index or a package with the mirror variable of another address.

    That is one of a channel, `pypi`, a registry (`docker-io`), or of another source, index or package of the service.
    """
    bare = [replace(service, sources=(), indexes=(), layers=()) for _, service in described if service]
    common = {mirror_variable(name): name for name in mirror_names(bare)}
    for reader, service in described:
        taken = dict(common)
        for path, name, kind in _named_addresses(service) if service else ():
            owner = taken.setdefault(mirror_variable(name), kind)
            if owner != kind:
                message = f"{name!r} has the mirror variable of {owner}; choose another name"
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))


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


def _read_service(reader: Reader, text: str) -> Service | None:
    root = reader.compose(text)
    if root is None:
        return None
    values = read_shape(reader, root, "", SERVICE)
    check_service(reader, values)
    return None if reader.problems else build_service(values, MappingProxyType(reader.positions))
