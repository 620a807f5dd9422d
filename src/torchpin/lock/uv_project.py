"""The temporary uv project that an environment is resolved in."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.compat.compiled import archive_versions, compiled_versions
from torchpin.compat.family import channel_names
from torchpin.compat.pins import declared_names, extras_text, index_packages
from torchpin.compat.project_requirements import file_ranges
from torchpin.compat.recommendations import applicable_requirements, installed_requirements
from torchpin.lock.requirement_files import CONSTRAINT
from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from torchpin.facts import Wheel
    from torchpin.model import Environment, Upstream


# an index that no description can name, and its place in the project
FILES, FILES_FOLDER = "torchpin.files", "./files"


def resolution_requirements(
    env: Environment, wheels: Mapping[str, Wheel], upstreams: Iterable[Upstream] = ()
) -> tuple[str, ...]:
    """The requirements of a resolution: every exact pin, but instead of an ABI wheel what it requires beside torch.

    uv cannot resolve an ABI wheel: it is in no index, and facts choose its file. `upstreams` have the requirements of sources:
    those of the installed ones are resolved with the pins.
    """
    family = [f"{name}=={version}" for name, version in env.service.torch.family.items()]
    declared = [
        package
        for layer in env.layers
        for package in layer.packages
        if canonicalize_name(package.name) not in wheels
    ]
    wheel_requirements = [requirement for wheel in wheels.values() for requirement in wheel.requires]
    return (*family, *map(str, declared), *wheel_requirements, *source_requirements(env, upstreams))


def source_requirements(env: Environment, upstreams: Iterable[Upstream]) -> tuple[str, ...]:
    """What the installed sources ask for beside what the description pins.

    A pin of the description stands for what they say of its package, so of theirs only the extras count; the versions of
    torch's family go with the torch that is pinned.
    """
    extras = {
        canonicalize_name(package.name): package.extras for layer in env.layers for package in layer.packages
    }
    pinned, channel = {*env.service.torch.family, *extras}, channel_names(env)
    requirements: dict[str, None] = {}
    for upstream in _installed(env, upstreams):
        for requirement in installed_requirements(env, upstream):
            name = canonicalize_name(requirement.name)
            if name in pinned and requirement.extras <= extras.get(name, set()):
                continue
            if name in pinned or name in channel or requirement.url:
                requirement = Requirement(f"{requirement.name}{extras_text(requirement.extras)}")  # noqa: PLW2901
            requirements[str(requirement)] = None
    return tuple(requirements)


def source_constraints(env: Environment, upstreams: Iterable[Upstream]) -> tuple[str, ...]:
    """What the installed sources constrain, without the packages that the description pins and torch's family."""
    pinned = {*declared_names(env.layers), *channel_names(env)}
    lines = [
        line.removeprefix(CONSTRAINT)
        for upstream in _installed(env, upstreams)
        for line in upstream.requirements
        if line.startswith(CONSTRAINT)
    ]
    constraints = applicable_requirements(lines, env)
    return tuple(dict.fromkeys(str(row) for row in constraints if canonicalize_name(row.name) not in pinned))


def resolution_constraints(
    env: Environment, upstreams: Iterable[Upstream], requested: Iterable[str] = ()
) -> tuple[str, ...]:
    """What limits the versions of packages that only others require: constraints of sources, ranges of a project's files.

    `requested`: requirements beside the pins; one with a version of its own is not limited by a range.
    """
    chosen = {canonicalize_name(row.name) for row in map(Requirement, requested) if row.specifier or row.url}
    ranges = (row for row, _ in file_ranges(env) if canonicalize_name(row.name) not in chosen)
    return (*source_constraints(env, upstreams), *map(str, ranges))


def _installed(env: Environment, upstreams: Iterable[Upstream]) -> list[Upstream]:
    names = {source.name for source in env.service.sources if source.install}
    return [upstream for upstream in upstreams if upstream.source in names]


def without_requirements(packages: Iterable[Artifact]) -> str:
    """Tables for a uv project by which packages require nothing: uv neither reads their metadata nor builds them."""
    return "".join(
        f"[[tool.uv.dependency-metadata]]\nname = {quote(package.name)}\nversion = {quote(package.version)}\n"
        for package in packages
    )


def stage_projects(env: Environment) -> Iterator[tuple[str, str]]:
    """The uv projects of what compiles the wheels of an environment, each with the option for the kind of its files.

    First the tools, as wheels: one without a wheel would have to be built itself. pip is of them where it fetches source
    archives. Then the archives, whose metadata cannot be read here where they import torch to be built.
    """
    archives = archive_versions(env)
    tools = [*map(str, env.stage.requires if env.stage else ()), *(["pip"] if archives else [])]
    if tools:
        yield render_uv_project(env, index=None, pins=tools, excluded=()), "--only-binary"
    if archives:
        pins = [f"{name}=={version}" for name, version in archives.items()]
        packages = (
            Artifact(name=name, version=version, filename="", sha256="") for name, version in archives.items()
        )
        project = render_uv_project(env, index=None, pins=pins, excluded=())
        yield project + without_requirements(packages), "--no-binary"


def quote(value: str) -> str:
    """A double-quoted TOML or JSON string."""
    return json.dumps(value, ensure_ascii=False)


def project_name(service: str, dependencies: Iterable[str]) -> str:
    """The name of a service's uv project, which none of these requirements has."""
    names = {canonicalize_name(Requirement(text).name) for text in dependencies}
    return f"{service}-service" if canonicalize_name(service) in names else service


def render_uv_project(
    env: Environment,
    *,
    index: str | None,
    pins: Iterable[str] | None = None,
    members: Mapping[str, str] | None = None,
    constraints: Iterable[str] = (),
    overrides: Iterable[str] = (),
    indexes: Mapping[str, str] = MappingProxyType({}),
    files: Collection[str] = (),
    excluded: Iterable[str] | None = None,
) -> str:
    """The pyproject.toml of the uv project, with torch's family from one explicit index.

    `index` is the address of the channel or of its mirror; with None all comes from PyPI. `pins` are by default those
    of the description. `members`: packages of the family that only other packages require, with their versions. uv takes
    from an explicit index only what the project itself requires, so it requires them too. A service that is called like one
    of its packages gives the project another name, which uv's messages then tell apart. `constraints` limit
    what is required anyway, `overrides` stand for what others require of a package. `excluded` are left out whoever requires them: by default what the image's build compiles.
    `indexes` are the addresses of the description's indexes, by name; their packages come from them. `files`: packages that
    come from the project's own folder of files.
    """
    service = env.service
    declared = resolution_requirements(env, {}) if pins is None else pins
    dependencies = [*declared, *(f"{name}=={version}" for name, version in sorted((members or {}).items()))]
    lines = [
        "[project]",
        f"name = {quote(project_name(service.name, dependencies))}",
        'version = "0"',
        f'requires-python = "=={service.python.major}.{service.python.minor}.*"',
        "dependencies = [",
        *(f"  {quote(pin)}," for pin in dependencies),
        "]",
    ]
    limits = {
        "constraint-dependencies": [*constraints],
        "override-dependencies": [*overrides],
        "exclude-dependencies": [*(compiled_versions(env) if excluded is None else excluded)],
    }
    if any(limits.values()):
        lines.append("[tool.uv]")
    lines += [f"{key} = [{', '.join(map(quote, values))}]" for key, values in limits.items() if values]
    lines += _origin_tables(env, dependencies, index, indexes, files)
    return "\n".join([*lines, ""])


def override_pins(env: Environment) -> tuple[str, ...]:
    """What an environment overrides; it holds for its packages, and not for what builds them."""
    return tuple(str(override.package) for override in env.service.overrides)


def _origin_tables(
    env: Environment,
    dependencies: Iterable[str],
    index: str | None,
    indexes: Mapping[str, str],
    files: Collection[str],
) -> list[str]:
    """The tables that say which index each dependency comes from, where that is not PyPI."""
    names = dict.fromkeys(canonicalize_name(Requirement(dependency).name) for dependency in dependencies)
    homes = dict.fromkeys(channel_names(env), env.variant.channel) if index else {}
    homes |= {name: home for name, home in index_packages(env).items() if home in indexes}
    homes |= dict.fromkeys(files, FILES)
    used = {homes[name] for name in names if name in homes}
    lines = _index_table(env.variant.channel, index) if index else []
    for name, address in indexes.items():
        lines += _index_table(name, address) if name in used else []
    lines += [*_index_table(FILES, FILES_FOLDER), 'format = "flat"'] if FILES in used else []
    if index or used:
        lines.append("[tool.uv.sources]")
        lines += [
            f"{package} = {{ index = {quote(homes[package])} }}" for package in names if package in homes
        ]
    return lines


def _index_table(name: str, address: str) -> list[str]:
    # explicit, else uv would look for every package in this index first
    return ["[[tool.uv.index]]", f"name = {quote(name)}", f"url = {quote(address)}", "explicit = true"]
