"""Resolution of an environment by uv into a lock, with the build requirements of packages that have no wheel."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.compat.family import channel_names, layer_members, needs_companion
from torchpin.compat.pins import declared_names, index_packages
from torchpin.compat.wheels import abi_wheels, best_wheel
from torchpin.description.environments import mirror_variable
from torchpin.errors import InputError, ToolError
from torchpin.lock import cooldown, sdist, uv_project
from torchpin.lock.file_format import BUILD, STAGE
from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import Artifact, LayerLock, Lock
from torchpin.tools import credentials, http, package_files, uv_cutoff
from torchpin.tools.located_files import LocatedArtifact, fetch_source, with_sizes
from torchpin.tools.statements import read_statements
from torchpin.tools.uv import UV_VERSION, index_addresses
from torchpin.tools.uv_compile import (
    compile_command,
    pylock_files,
    pylock_packages,
    run_compile,
    temporary_project,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from torchpin.facts import Wheel
    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, PublishedHashes, Settings, Upstream
    from torchpin.tools.package_files import LocatedFile
    from torchpin.tools.uv_cutoff import AgeRule


_PROJECT = " (pyproject.toml)"  # how uv marks it among those that require a package
_PIN_LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+?)\s+# via (?P<via>.+)")


def resolve(
    env: Environment,
    settings: Settings,
    *,
    index: str | None,
    current: Lock | None = None,
    upgrade: Sequence[str] = (),
    upstreams: tuple[Upstream, ...] = (),
    published: PublishedHashes | None = None,
    cutoff: CutOff | None = None,
    add_notice: Callable[[str], object] = str,
    located: Sequence[LocatedFile] = (),
) -> Lock:
    """Resolve an environment into a lock; the pins of `current`, its present lock, are kept where they still fit.

    `index` is the address of the channel, `upgrade` names packages whose present pins are dropped. `published` holds
    the hashes of the lab's stub wheels, which replace those of the facts for wheels that are in no index. Files of PyPI that
    were published after `cutoff` are left out; what is younger and excepted is told to `add_notice`, once or more.
    `located` are the files of the packages that are in no index.
    Raises FindingsError for pins that are younger, ToolError when there is no solution, or when a package has no hashed file
    for this Python and platform.
    """
    wheels = abi_wheels(env)
    previous = current.all_packages.values() if current else ()
    kept = [package for package in previous if package.name not in wheels]
    rule = uv_cutoff.age_rule(env, cutoff, add_notice, has_channel=index is not None)
    pins, files, members = _resolve_family(
        env,
        settings,
        wheels,
        upstreams,
        index=index,
        previous=kept,
        upgrade=upgrade,
        rule=rule,
        located=located,
    )
    required_by = _add_abi_wheels(env, _parse_required_by(pins, env.service.name, members), wheels)
    _require_channel_builds(env, files)
    artifacts = [
        *(replace(file, required_by=required_by.get(file.name, ())) for file in with_sizes(files, current)),
        *(_abi_artifact(env, wheel, published) for wheel in wheels.values()),
    ]
    layers, provided_layer = split_layers(env, artifacts, uv=UV_VERSION, upstreams=upstreams)
    sources = _locked_sources(files, layers)
    build, build_files = _build_layer(env, settings, sources, upstreams, current=current, rule=rule)
    stage, stage_files = _stage_layer(env, settings, current=current, rule=rule)
    lock = Lock(layers=layers, build=build, stage=stage, provided=provided_layer, upstreams=upstreams)
    lock = cooldown.with_cutoff(lock, cutoff)
    urls = {file.artifact.sha256: file.url for file in (*files, *build_files, *stage_files)}
    licenses, contents = read_statements(
        env, settings, lock, urls, current=current, other_builds=published is None
    )
    return replace(lock, licenses=licenses, wheels=contents)


def _locked_sources(files: Sequence[LocatedArtifact], layers: Iterable[LayerLock]) -> list[LocatedArtifact]:
    """The source distributions of layers: they are built, others are of what the base image gives."""
    names = {package.name for layer in layers for package in layer.packages}
    return [file for file in files if file.artifact.is_source and file.artifact.name in names]


def _resolve_family(
    env: Environment,
    settings: Settings,
    wheels: Mapping[str, Wheel],
    upstreams: Sequence[Upstream],
    *,
    index: str | None,
    previous: Sequence[Artifact],
    upgrade: Sequence[str],
    rule: AgeRule | None,
    located: Sequence[LocatedFile],
) -> tuple[str, list[LocatedArtifact], frozenset[str]]:
    """Resolve an environment, and again where other packages bring members of torch's family: those come from the channel.

    They keep the version of the first resolution: torch decides it, and not every version of a channel can be read. Gives
    the pins, the selected files, and the names of these members. Raises InputError where the base image would have to have
    them.
    """
    requirements = uv_project.resolution_requirements(env, wheels, upstreams)
    constraints = uv_project.source_constraints(env, upstreams)
    of_sources = {
        canonicalize_name(Requirement(text).name) for text in uv_project.source_requirements(env, upstreams)
    }
    required = {*env.service.torch.family, *layer_members(env)}
    kept = [_as_on_pypi(package) if package.name not in required else package for package in previous]
    members: dict[str, str] = {}
    while True:
        project = uv_project.render_uv_project(
            env,
            index=index,
            pins=requirements,
            members=members,
            constraints=constraints,
            overrides=uv_project.override_pins(env),
            indexes=index_addresses(env, settings),
            files=[file.artifact.name for file in located],
        )
        pins, files = _resolve_project(
            env, settings, project, index=index, previous=kept, upgrade=upgrade, rule=rule, located=located
        )
        versions = {file.artifact.name: Version(file.artifact.version).public for file in files}
        _require_companions(env, versions, _parse_required_by(pins, env.service.name))
        brought = ({*versions} & channel_names(env)) - required - {*members}
        if not brought:
            return pins, files, frozenset({*members} - of_sources)
        members |= {name: versions[name] for name in brought}


def _as_on_pypi(package: Artifact) -> Artifact:
    """A locked package with the version that PyPI's build of the same release has: it has no local part."""
    return replace(package, version=Version(package.version).public)


def _require_companions(
    env: Environment, names: Iterable[str], required_by: Mapping[str, tuple[str, ...]]
) -> None:
    for name in sorted(name for name in names if needs_companion(env, name)):
        raise InputError(
            f"{env.service.file}: {', '.join(required_by.get(name, ()))} requires {name}, and PyPI's build is not for the "
            f"torch of {env.base.image}; name it under `torch.companions` with the version that the image has"
        )


def _resolve_project(
    env: Environment,
    settings: Settings,
    project: str,
    *,
    index: str | None,
    previous: Iterable[Artifact],
    upgrade: Sequence[str] = (),
    options: tuple[str, ...] = (),
    rule: AgeRule | None = None,
    located: Sequence[LocatedFile] = (),
) -> tuple[str, list[LocatedArtifact]]:
    """Resolve a uv project: its pins, with uv's `# via` comments, and the selected file of each package."""
    own_files = {
        file.artifact.name: LocatedArtifact(artifact=file.artifact, url=file.url) for file in located
    }
    with temporary_project(project) as folder:
        if located:
            package_files.write_flat_index(folder / uv_project.FILES_FOLDER, located)
        # uv keeps the versions of an output file that exists
        (folder / "pins.txt").write_text(
            "".join(f"{package.name}=={package.version}\n" for package in previous)
        )
        # Two runs, since requirements.txt alone says what requires a package, and pylock.toml alone has URLs and sizes.
        with uv_cutoff.explained(env, settings, folder, rule, options):
            aged = (*options, *(rule.options() if rule else ()))
            run_compile(env, settings, folder, compile_command(env, "pins.txt", upgrade=upgrade, extra=aged))
        constraints = (*aged, "--constraints", "pins.txt")
        run_compile(env, settings, folder, compile_command(env, "pylock.toml", extra=constraints))
        packages = pylock_packages(folder)
        files = [
            own_files.get(canonicalize_name(package["name"]))
            or _absolute_url(
                _select_file(env, package), folder, _package_indexes(env, settings, index, package)
            )
            for package in packages
        ]
        if rule:
            uv_cutoff.judge_age(env, rule, packages, [file.artifact for file in files])
        return (folder / "pins.txt").read_text(), files


def _add_abi_wheels(
    env: Environment, required_by: Mapping[str, tuple[str, ...]], wheels: Mapping[str, Wheel]
) -> dict[str, tuple[str, ...]]:
    """`required_by` with the ABI wheels added: uv resolved their requirements as the service's, not the wheels."""
    declared = declared_names(env.layers)
    merged = dict(required_by)
    for name, wheel in wheels.items():
        for dependency in (canonicalize_name(Requirement(text).name) for text in wheel.requires):
            parents = {*merged.get(dependency, ())} - (
                {env.service.name} - ({env.service.name} if dependency in declared else set())
            )
            merged[dependency] = tuple(sorted(parents | {name}))
        merged["torch"] = tuple(sorted({*merged.get("torch", ()), name}))
    return merged


def _abi_artifact(env: Environment, wheel: Wheel, published: PublishedHashes | None) -> Artifact:
    """The artifact of an ABI wheel, with the published hash if there is one, else that of the facts."""
    name = canonicalize_name(wheel.package)
    published_hash = (published or {}).get(name, {}).get(name, {}).get(wheel.filename)
    return Artifact(
        name=name,
        version=wheel.version,
        filename=wheel.filename,
        sha256=published_hash or wheel.sha256,
        required_by=(env.service.name,),
    )


def _parse_required_by(pins: str, service: str, members: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """What requires each package, from uv's `# via` comments; the project is the service.

    The service does not require `members`: they stand in the project for the sake of their index.
    """
    required_by: dict[str, tuple[str, ...]] = {}
    for line in pins.splitlines():
        match = _PIN_LINE.match(line)
        if match:
            parents = {
                service if part.endswith(_PROJECT) else canonicalize_name(part.split(" ")[0].split("[")[0])
                for part in match["via"].split(", ")
                if not part.startswith("-c ")  # `-c pins.txt` names the constraints
            }
            name = canonicalize_name(match["name"])
            required_by[name] = tuple(sorted(parents - ({service} if name in members else set())))
    return required_by


def _select_file(env: Environment, package: Mapping[str, Any]) -> LocatedArtifact:
    """The best file of a resolved package for the environment. Raises ToolError when none has a hash and fits."""
    files = {
        artifact.filename: LocatedArtifact(artifact=artifact, url=address)
        for artifact, address in pylock_files(package)
    }
    best = best_wheel((file.artifact for file in files.values()), env.service.python, env.variant.platform)
    if best is None:
        raise ToolError(
            f"{package['name']} {package['version']} has no hashed file for Python {env.service.python} on "
            f"{env.variant.platform}; pin a version that has one"
        )
    return files[best.filename]


def _package_indexes(
    env: Environment, settings: Settings, index: str | None, package: Mapping[str, Any]
) -> tuple[str | None, ...]:
    """The indexes that a package may come from: the channel first for torch's family, else PyPI."""
    own_index = index_packages(env).get(canonicalize_name(package["name"]))
    if own_index:
        address = index_addresses(env, settings)[own_index]
        return (credentials.with_index_credentials(own_index, address, os.environ),)
    pypi = credentials.default_index(settings)
    if index:
        index = credentials.with_index_credentials(env.variant.channel, index, os.environ)
    of_channel = canonicalize_name(package["name"]) in channel_names(env)
    return (index, pypi) if of_channel else (pypi, index)


def _absolute_url(file: LocatedArtifact, folder: Path, mirrors: Iterable[str | None]) -> LocatedArtifact:
    """A file with an absolute address and the mirror's credentials: uv writes local paths relative to its project."""
    if "://" not in file.url:
        return replace(file, url=(folder / file.url).resolve().as_uri())
    return replace(file, url=http.with_credentials(file.url, mirrors))


def _require_channel_builds(env: Environment, files: Iterable[LocatedArtifact]) -> None:
    """Raises ToolError when the index of an x86_64 channel serves another build of torch's family.

    These builds carry the channel as local version (2.9.1+cu128); those for arm64 need not.
    """
    channel = env.variant.channel
    if channel == "pypi" or env.variant.platform != "linux/amd64":
        return
    family = channel_names(env)
    for file in files:
        if file.artifact.name in family and not file.artifact.version.endswith(f"+{channel}"):
            raise ToolError(
                f"{env.name}: the {channel} index has {file.artifact.name} {file.artifact.version}, not a +{channel} build; "
                f"check {mirror_variable(channel)} and torchpin.toml"
            )


def _build_layer(
    env: Environment,
    settings: Settings,
    sources: Sequence[LocatedArtifact],
    upstreams: Sequence[Upstream],
    *,
    current: Lock | None,
    rule: AgeRule | None,
) -> tuple[LayerLock | None, list[LocatedArtifact]]:
    """The build requirements of packages that have no wheel, and of sources that are installed themselves.

    They are resolved together and locked as wheels; their addresses come with them. None without such packages.
    """
    built = [upstream for upstream in upstreams if upstream.build]
    if not sources and not built:
        return None, []
    requirements = sorted(
        {
            requirement
            for source in sources
            for requirement in sdist.build_requirements(fetch_source(source), source.artifact.filename)
        }
        | {requirement for upstream in built for requirement in upstream.build}
    )
    names = " ".join(
        sorted({source.artifact.name for source in sources} | {upstream.source for upstream in built})
    )
    _, files = _resolve_project(
        env,
        settings,
        uv_project.render_uv_project(env, index=None, pins=requirements),
        index=None,
        previous=current.build.packages if current and current.build else (),
        # a build tool without a wheel would have build requirements again
        options=("--only-binary", ":all:"),
        rule=_of_tools(rule),
    )
    artifacts = [
        replace(artifact, required_by=tuple(names.split())) for artifact in with_sizes(files, current)
    ]
    layer = layer_lock(env, BUILD, sorted(artifacts, key=lambda artifact: artifact.name), uv=UV_VERSION)
    return layer, files


def _stage_layer(
    env: Environment, settings: Settings, *, current: Lock | None, rule: AgeRule | None
) -> tuple[LayerLock | None, list[LocatedArtifact]]:
    """What compiles the wheels of an environment, and their source archives, with the addresses; None without such wheels."""
    if env.stage is None:
        return None, []
    previous = current.stage.packages if current and current.stage else ()
    files: list[LocatedArtifact] = []
    for project, option in uv_project.stage_projects(env):
        kept = [package for package in previous if package.is_source == (option == "--no-binary")]
        options = (option, ":all:")
        _, resolved = _resolve_project(
            env, settings, project, index=None, previous=kept, options=options, rule=_of_tools(rule)
        )
        files += resolved
    artifacts = sorted(with_sizes(files, current), key=lambda artifact: artifact.name)
    return layer_lock(env, STAGE, artifacts, uv=UV_VERSION), files


def _of_tools(rule: AgeRule | None) -> AgeRule | None:
    """A rule of age for what builds packages, which is pinned nowhere else."""
    return replace(rule, untimed=frozenset(), pinned=frozenset()) if rule else None
