"""The settings of one machine, from torchpin.toml and TORCHPIN_… variables; neither is committed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from torchpin import facts, paths
from torchpin.description.environments import mirror_variable
from torchpin.description.suggestions import name_hint
from torchpin.description.toml_lines import find_key, key_lines
from torchpin.errors import InputError
from torchpin.model import Package, Position, Problem, Settings, package_path
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.description.toml_lines import KeyLine
    from torchpin.model import Service

_ADDRESS = re.compile(
    r"(?:(?:https|http|ssh|git)://(?:[A-Za-z0-9._~%+:=,&-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~:/@%+?&=,-]*)?"
    r"|file://[A-Za-z0-9.]*/[A-Za-z0-9._~:/@%+,-]+"
    r"|git@[A-Za-z0-9][A-Za-z0-9.-]*:(?!-)[A-Za-z0-9._~/-]+)"
)
_REGISTRY_MIRROR = re.compile(
    r"(?:localhost|[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+|[a-z0-9][a-z0-9.-]*(?=:))(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?"
)
_REGISTRY = re.compile(r"(?:[a-z0-9._-]+(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?)?")
_BUILD = {  # the keys of the table `build`: variable, shape, value without one, and what it is
    "registry": ("TORCHPIN_REGISTRY", _REGISTRY, "", "a registry such as ghcr.io/name"),
    "network": (
        "TORCHPIN_BUILD_NETWORK",
        re.compile("default|host|none"),
        "default",
        "default, host or none",
    ),
    "cache": (
        "TORCHPIN_CACHE",
        re.compile(r"(?:~?/[^\x00-\x1f\x7f]*)?"),  # absolute, so that it is the same wherever a command runs
        "",
        "a folder such as /srv/torchpin or ~/torchpin",
    ),
    "registry_cache": ("TORCHPIN_REGISTRY_CACHE", _REGISTRY, "", "a registry such as ghcr.io/name"),
    "keep_downloads": (
        "TORCHPIN_BUILD_KEEP_DOWNLOADS",
        re.compile("true|false"),
        "false",
        "true or false",
    ),
}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}(?::[0-9]{1,5})?")  # of a key; a wrong one may be an address
_MOST_TEXT = 1_000_000  # characters of torchpin.toml; real ones have below a thousand
_MIRROR_PREFIX = "TORCHPIN_MIRROR_"
_MOST_PROBLEMS = 50  # that are told at once
_TOML_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")  # how tomllib ends a message
_TOML_END = " (at end of document)"  # how it ends one where the file is not finished
_TABLES = {
    "mirrors": "addresses by name",
    "build": "registry, network, cache, registry_cache and keep_downloads",
}


class _SettingProblem(NamedTuple):
    """What is wrong with a variable or, without one, with the names of a key in the file or with all of it."""

    variable: str
    message: str
    names: tuple[str, ...] = ()


def parse_settings(
    text: str | None, environ: Mapping[str, str], services: Iterable[Service], *, complete: bool = True
) -> Settings:
    """The settings of a file's text (None: no file) and of environment variables, which take precedence.

    `complete`: `services` are all; else a mirror that they do not name may be another's, and is passed over. Raises InputError
    for an unknown mirror or key, and for a value that is not an address.
    """
    problems: list[_SettingProblem] = []
    tables = _parse_tables(text, problems)
    services = tuple(services)
    names, outer, configured = mirror_names(services), _with_submodules(services), tables.get("mirrors", {})
    if not complete:
        allowed_names = (*names, *_submodule_names(configured, environ, outer))
        configured, environ = _known_mirrors(configured, environ, allowed_names)
    mirrors = _parse_mirrors(configured, environ, names, problems, outer)
    build = _parse_build(tables.get("build", {}), environ, problems)
    if problems:
        lines = key_lines(text or "")
        located_problems = [_located_problem(problem, lines) for problem in problems[:_MOST_PROBLEMS]]
        raise InputError(
            f"correct {paths.SETTINGS} or the TORCHPIN_… variables; nothing was written", located_problems
        )
    keep_downloads = build.pop("keep_downloads", "") == "true"
    return Settings(mirrors=mirrors, keep_downloads=keep_downloads, **build)


def _parse_build(
    table: Mapping[str, object], environ: Mapping[str, str], problems: list[_SettingProblem]
) -> dict[str, str]:
    """The settings of builds by name, those of the variables over those of the file."""
    names = ", ".join(sorted(_BUILD))
    problems += [
        _SettingProblem("", f"build.{_plain_name(name)}: unknown key (known: {names})", ("build", name))
        for name in sorted({*table} - {*_BUILD})
    ]
    values = {}
    for name, (variable, pattern, default, kind) in _BUILD.items():
        setting = environ.get(variable) or table.get(name, default)
        value = str(setting).lower() if isinstance(setting, bool) and name == "keep_downloads" else setting
        if isinstance(value, str) and pattern.fullmatch(value):
            values[name] = value
        else:
            source = variable if environ.get(variable) else ""
            message = f"build.{name}: the value is not {kind}"
            problems.append(_SettingProblem(source, message, ("build", name)))
    return values


def _located_problem(problem: _SettingProblem, lines: Sequence[KeyLine]) -> Problem:
    if problem.variable:
        position = Position(file=problem.variable, line=0, column=0)
        return Problem(position=position, path="", message=problem.message)
    match = None if problem.names else _TOML_POSITION.search(problem.message)
    line, column = map(int, match.groups()) if match else find_key(lines, problem.names)
    position = Position(file=paths.SETTINGS, line=line, column=column)
    message = _TOML_POSITION.sub("", problem.message) if match else problem.message
    return Problem(position=position, path="", message=message)


def _known_mirrors(
    configured: Mapping[str, str], environ: Mapping[str, str], names: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The mirrors of a file and of the variables that have one of these names; other variables stay."""
    variables = {mirror_variable(name) for name in names}
    return {name: value for name, value in configured.items() if name in names}, {
        name: value
        for name, value in environ.items()
        if name in variables or not name.startswith(_MIRROR_PREFIX)
    }


def _parse_mirrors(
    configured: Mapping[str, object],
    environ: Mapping[str, str],
    names: Sequence[str],
    problems: list[_SettingProblem],
    outer: tuple[str, ...],
) -> dict[str, str]:
    """The mirrors by name, those of the variables over those of the file; `outer` are sources with submodules.

    A submodule is named after its source and path: `trainer-engine`, TORCHPIN_MIRROR_TRAINER_ENGINE.
    """
    names = [*names, *_submodule_names(configured, environ, outer)]
    variables = {mirror_variable(name): name for name in names}
    mirrors: dict[str, str] = {}
    for name, value in configured.items():
        if len(problems) > _MOST_PROBLEMS:  # to find the nearest name takes time
            break
        if isinstance(value, dict):
            dotted = _plain_name(f"{name}.{next(iter(value), '')}")
            message = f'mirrors: write a name with dots in quotes: "{dotted}" = "…"'
            problems.append(_SettingProblem("", message, ("mirrors", name)))
        elif name not in names:
            message = f"unknown mirror {_plain_name(name)!r} ({name_hint(name, names)})"
            problems.append(_SettingProblem("", message, ("mirrors", name)))
        elif reason := _mirror_error(name, value):
            problems.append(_SettingProblem("", reason, ("mirrors", name)))
        else:
            mirrors[name] = str(value)
    for variable, value in sorted(environ.items()):
        if not variable.startswith(_MIRROR_PREFIX) or not value:
            continue
        if variable not in variables:
            hint = name_hint(variable, variables)
            message = f"unknown mirror variable {variable!r} ({hint})"
            problems.append(_SettingProblem(variable, message))
        elif reason := _mirror_error(variables[variable], value):
            problems.append(_SettingProblem(variable, reason))
        else:
            mirrors[variables[variable]] = value
    return mirrors


def _mirror_error(name: str, value: object) -> str:
    """Why a value cannot replace the address of a name; "" if it can."""
    registry = "." in name or ":" in name
    if isinstance(value, str) and (_REGISTRY_MIRROR if registry else _ADDRESS).fullmatch(value):
        return ""
    kind = (
        "a registry such as registry.example/hub" if registry else "an address such as https://… or file:///…"
    )
    return f"mirrors.{name}: the value is not {kind}"


def _plain_name(name: str) -> str:
    """A name for a message; one that may be an address, which may have a secret, is not repeated."""
    return name if _NAME.fullmatch(name) else "…"


def _parse_tables(text: str | None, problems: list[_SettingProblem]) -> dict[str, dict[str, str]]:
    if not text:
        return {}
    if len(text) > _MOST_TEXT:
        problems.append(_SettingProblem("", f"has {len(text)} characters, and at most {_MOST_TEXT} are read"))
        return {}
    try:
        tables = parse_toml(text)
    except ValueError as error:
        lines = text.splitlines()
        end = f" (at line {len(lines)}, column {len(lines[-1]) + 1})"
        problems.append(_SettingProblem("", f"invalid TOML: {str(error).replace(_TOML_END, end)}"))
        return {}
    problems += [
        _SettingProblem("", f"{_plain_name(name)}: unknown table (known: {', '.join(_TABLES)})", (name,))
        for name in tables
        if name not in _TABLES
    ]
    problems += [
        _SettingProblem("", f"{name}: expected a table of {_TABLES[name]}", (name,))
        for name, value in tables.items()
        if name in _TABLES and not isinstance(value, dict)
    ]
    return {name: value for name, value in tables.items() if isinstance(value, dict)}


def _with_submodules(services: Iterable[Service]) -> tuple[str, ...]:
    """The names of the sources that come with submodules."""
    return tuple(source.name for service in services for source in service.sources if source.submodules)


def _submodule_names(
    configured: Iterable[str], environ: Iterable[str], outer: tuple[str, ...]
) -> tuple[str, ...]:
    """The names of mirrors of submodules, of which a description need not have the paths."""
    prefixes = tuple(f"{name}-" for name in outer)
    names = [name for name in configured if name.startswith(prefixes)]
    names += [
        variable.removeprefix("TORCHPIN_MIRROR_").lower().replace("_", "-")
        for variable in environ
        if variable.startswith(tuple(f"{mirror_variable(name)}_" for name in outer))
    ]
    return tuple(dict.fromkeys(names))


def file_package_names(service: Service) -> list[tuple[str, str]]:
    """The packages whose file comes from an address or from git, which a mirror can replace: key path and name."""
    return [
        (package_path(number, index, package), canonicalize_name(package.name))
        for number, layer in enumerate(service.layers)
        for index, package in enumerate(layer.packages)
        if isinstance(package, Package) and package.file and not package.file.path
    ]


def mirror_names(services: Iterable[Service]) -> tuple[str, ...]:
    """The names whose address can be replaced: channels, PyPI, Python builds, sources, indexes, packages from an address or
    git, registries of base images.
    """
    names = [
        *(channel.name for channel in facts.channels()),
        "pypi",
        "python",
        "advisories",
        "docker.io",
        *sorted(facts.abi_packages()),
    ]
    for service in services:
        names += [source.name for source in service.sources]
        names += [index.name for index in service.indexes]
        names += [name for _, name in file_package_names(service)]
        bases = [service.base, *(variant.base for variant in service.variants if variant.base)]
        parts = [base.image.partition("/") for base in bases]
        names += [registry for registry, _, path in parts if path and ("." in registry or ":" in registry)]
    return tuple(dict.fromkeys(names))
