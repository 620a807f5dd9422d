"""What this machine decides: torchpin.toml and TORCHPIN_… variables to settings. Nothing of it is ever committed."""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description import environments
from torchpin.errors import InputError
from torchpin.model import Mark, Problem, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.model import Service

FILE = "torchpin.toml"
_ADDRESS = re.compile(
    r"(?:(?:https|http|ssh|git)://(?:[A-Za-z0-9._~%+:=,&-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~:/@%+?&=,-]*)?"
    r"|file://[A-Za-z0-9.]*/[A-Za-z0-9._~:/@%+,-]+"
    r"|git@[A-Za-z0-9][A-Za-z0-9.-]*:(?!-)[A-Za-z0-9._~/-]+)"
)
_PLACE = re.compile(
    r"(?:localhost|[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+|[a-z0-9][a-z0-9.-]*(?=:))(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?"
)
_REGISTRY = re.compile(r"(?:[a-z0-9._-]+(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*/?)?")
_TABLES = {"mirrors": "addresses by name", "build": "registry and network"}


def settings(text: str | None, environ: Mapping[str, str], services: Iterable[Service]) -> Settings:
    """Settings from the file's text (None: there is none) and the environment, which wins.

    Raises InputError for a mirror of nothing, an unknown key or a value that is no address.
    """
    problems: list[tuple[str, str]] = []  # where from (a variable; "": the file), and what
    tables = _tables(text, problems)
    mirrors = _mirrors(tables.get("mirrors", {}), environ, mirror_names(services), problems)
    build = tables.get("build", {})
    unknown = sorted({*build} - {"registry", "network"})
    problems += [("", f"build.{name}: unknown key (known: network, registry)") for name in unknown]
    registry = environ.get("TORCHPIN_REGISTRY") or build.get("registry", "")
    if not isinstance(registry, str) or not _REGISTRY.fullmatch(registry):
        where = "TORCHPIN_REGISTRY" if environ.get("TORCHPIN_REGISTRY") else ""
        problems.append((where, f"build.registry: {_told(registry)} is not a registry such as ghcr.io/name"))
    network = environ.get("TORCHPIN_BUILD_NETWORK") or build.get("network", "default")
    if not isinstance(network, str) or network not in {"default", "host", "none"}:
        where = "TORCHPIN_BUILD_NETWORK" if environ.get("TORCHPIN_BUILD_NETWORK") else ""
        problems.append((where, f"build.network: {network!r} is not default, host or none"))
    if problems:
        found = [_problem(where, message) for where, message in problems]
        raise InputError("Correct torchpin.toml or the TORCHPIN_… variables; nothing was written.", found)
    return Settings(mirrors=mirrors, registry=registry, network=network)


def _problem(variable: str, message: str) -> Problem:
    where = Mark(file=variable, line=0, column=0) if variable else Mark(file=FILE, line=1, column=1)
    return Problem(where=where, path="", message=message)


def _mirrors(
    given: Mapping[str, object],
    environ: Mapping[str, str],
    names: Sequence[str],
    problems: list[tuple[str, str]],
) -> dict[str, str]:
    """The mirrors by name: the file's, then the variables'."""
    variables = {environments.mirror_variable(name): name for name in names}
    mirrors: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, dict):
            dotted = f"{name}.{next(iter(value), '')}"
            problems.append(("", f'mirrors: write a name with dots in quotes: "{dotted}" = "…"'))
        elif name not in names:
            problems.append(("", _unknown(name, names)))
        elif wrong := _wrong(name, value):
            problems.append(("", wrong))
        else:
            mirrors[name] = str(value)
    for variable, value in sorted(environ.items()):
        if not variable.startswith("TORCHPIN_MIRROR_") or not value:
            continue
        if variable not in variables:
            problems.append((variable, _unknown(variable, variables)))
        elif wrong := _wrong(variables[variable], value):
            problems.append((variable, wrong))
        else:
            mirrors[variables[variable]] = value
    return mirrors


def _wrong(name: str, value: object) -> str:
    """Why a value is no mirror of a name; "" when it is one."""
    registry = "." in name or ":" in name
    if isinstance(value, str) and (_PLACE if registry else _ADDRESS).fullmatch(value):
        return ""
    kind = (
        "a registry such as registry.example/hub" if registry else "an address such as https://… or file:///…"
    )
    return f"mirrors.{name}: {_told(value)} is not {kind}"


def _told(value: object) -> str:
    """A wrong value as it may be told: what may hold a password is not repeated."""
    return "the value" if "@" in repr(value) else repr(value)


def _tables(text: str | None, problems: list[tuple[str, str]]) -> dict[str, dict[str, str]]:
    try:
        tables = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError as error:
        problems.append(("", f"not TOML: {error}"))
        return {}
    problems += [
        ("", f"{name}: unknown table (known: {', '.join(_TABLES)})") for name in tables if name not in _TABLES
    ]
    problems += [
        ("", f"{name}: expected a table of {_TABLES[name]}")
        for name, value in tables.items()
        if name in _TABLES and not isinstance(value, dict)
    ]
    return {name: value for name, value in tables.items() if isinstance(value, dict)}


def mirror_names(services: Iterable[Service]) -> tuple[str, ...]:
    """Everything whose address can be replaced: channels, PyPI, Python builds, sources, registries of base images."""
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
        bases = [service.base, *(variant.base for variant in service.variants if variant.base)]
        parts = [base.image.partition("/") for base in bases]
        names += [first for first, _, rest in parts if rest and ("." in first or ":" in first)]
    return tuple(dict.fromkeys(names))


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"{name} replaces nothing" + (
        f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(known)})"
    )
