"""What this machine decides: torchpin.toml and TORCHPIN_… variables to settings. Nothing of it is ever committed."""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin import facts, plan
from torchpin.errors import InputError
from torchpin.model import Mark, Problem, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Service

FILE = "torchpin.toml"
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/@%+?&=,-]+")
_TABLES = {"mirrors": "addresses by name", "build": "registry and network"}


def settings(text: str | None, environ: Mapping[str, str], services: Iterable[Service]) -> Settings:
    """Settings from the file's text (None: there is none) and the environment, which wins.

    Raises InputError for a mirror of nothing, an unknown key or a value that is no address.
    """
    names = mirror_names(services)
    problems: list[str] = []
    tables = _tables(text, problems)
    mirrors = tables.get("mirrors", {})
    problems += [_unknown(name, names) for name in mirrors if name not in names]
    variables = {plan.mirror_variable(name): name for name in names}
    for variable, value in sorted(environ.items()):
        if not variable.startswith("TORCHPIN_MIRROR_") or not value:
            continue
        if variable in variables:
            mirrors = {**mirrors, variables[variable]: value}
        else:
            problems.append(_unknown(variable, variables))
    problems += [
        f"mirrors.{name}: {value!r} is not an address"
        for name, value in mirrors.items()
        if not isinstance(value, str) or not _ADDRESS.fullmatch(value)
    ]
    build = tables.get("build", {})
    problems += [
        f"build.{name}: unknown key (known: network, registry)" for name in {*build} - {"registry", "network"}
    ]
    registry = environ.get("TORCHPIN_REGISTRY") or build.get("registry", "")
    network = environ.get("TORCHPIN_BUILD_NETWORK") or build.get("network", "default")
    if not isinstance(registry, str) or not re.fullmatch(r"[a-z0-9._:/-]*", registry):
        problems.append(f"build.registry: {registry!r} is not a registry such as ghcr.io/name")
    if network not in {"default", "host", "none"}:
        problems.append(f"build.network: {network!r} is not default, host or none")
    if problems:
        where = Mark(file=FILE, line=1, column=1)
        found = [Problem(where=where, path="", message=message) for message in problems]
        raise InputError("Correct torchpin.toml or the TORCHPIN_… variables; nothing was written.", found)
    return Settings(mirrors=mirrors, registry=registry, network=network)


def _tables(text: str | None, problems: list[str]) -> dict[str, dict[str, str]]:
    try:
        tables = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"not TOML: {error}")
        return {}
    problems += [
        f"{name}: unknown table (known: {', '.join(_TABLES)})" for name in tables if name not in _TABLES
    ]
    problems += [
        f"{name}: expected a table of {_TABLES[name]}"
        for name, value in tables.items()
        if name in _TABLES and not isinstance(value, dict)
    ]
    return {name: value for name, value in tables.items() if isinstance(value, dict)}


def mirror_names(services: Iterable[Service]) -> tuple[str, ...]:
    """Everything whose address can be replaced: channels, PyPI, Python builds, sources, registries of base images."""
    names = [*(channel.name for channel in facts.channels()), "pypi", "python", "docker.io"]
    for service in services:
        names += [source.name for source in service.sources]
        first, _, rest = service.base.image.partition("/")
        names += [first] if rest and ("." in first or ":" in first) else []
    return tuple(dict.fromkeys(names))


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"{name} replaces nothing" + (
        f" (did you mean {near[0]}?)" if near else f" (known: {', '.join(known)})"
    )
