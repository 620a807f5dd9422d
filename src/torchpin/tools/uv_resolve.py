"""Resolution of an environment by uv into a lock, with the build requirements of packages that have no wheel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.compat.family import channel_names, layer_members, needs_companion
from torchpin.compat.partners import fitting_version
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import mirror_variable
from torchpin.errors import InputError, ToolError
from torchpin.lock import answers, cooldown, sdist, uv_project
from torchpin.lock.abi_wheels import abi_artifact, add_abi_wheels
from torchpin.lock.file_format import BUILD, STAGE
from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import Artifact, LayerLock, Lock
from torchpin.tools import uv_cutoff, uv_selection
from torchpin.tools.located_files import LocatedArtifact, fetch_source, with_sizes
from torchpin.tools.statements import read_statements
from torchpin.tools.uv import UV_VERSION, index_addresses
from torchpin.tools.uv_selection import Resolvable, select_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torchpin.facts import Wheel
    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, PublishedHashes, Settings, Upstream
    from torchpin.progress import Step
    from torchpin.tools.package_files import LocatedFile
    from torchpin.tools.uv_cutoff import AgeRule


def resolve(  # noqa: PLR0913 - what a resolution depends on, and what follows it
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
    running: Step | None = None,
) -> Lock:
    """Resolve an environment into a lock; the pins of `current`, its present lock, are kept where they still fit.

    `index` is the address of the channel, `upgrade` names packages whose present pins are dropped. `published` holds
    the hashes of the lab's stub wheels, which replace those of the facts for wheels that are in no index. Files of PyPI that
    were published after `cutoff` are left out; the names of younger packages that are excepted go to `add_notice`.
    `located` are the files of the packages that are in no index. `running` counts the packages that are selected.
    Raises FindingsError for pins that are younger, ToolError when there is no solution, or when a package has no hashed file
    for this Python and platform.
    """
    wheels = abi_wheels(env)
    previous = current.all_packages.values() if current else ()
    preferred = [package for package in previous if package.name not in wheels]
    rule = uv_cutoff.age_rule(env, cutoff, add_notice, has_channel=index is not None)
    project = Resolvable(
        env=env, settings=settings, text="", index=index, rule=rule, located=located, running=running
    )
    project, files, members = _resolve_family(project, wheels, upstreams, previous=preferred, upgrade=upgrade)
    required_by = _known_requirers(env, current, files, upstreams, published) or add_abi_wheels(
        env, uv_selection.required_by(project, files, members), wheels
    )
    _require_channel_builds(env, files)
    artifacts = [
        *(replace(file, required_by=required_by.get(file.name, ())) for file in with_sizes(files, current)),
        *(abi_artifact(env, wheel, published) for wheel in wheels.values()),
    ]
    layers, provided_layer = split_layers(env, artifacts, uv=UV_VERSION, upstreams=upstreams)
    sources = _locked_sources(files, layers)
    build, build_files = _build_layer(env, settings, sources, upstreams, current=current, rule=rule)
    stage, stage_files = _stage_layer(env, settings, current=current, rule=rule)
    lock = Lock(layers=layers, build=build, stage=stage, provided=provided_layer, upstreams=upstreams)
    lock = cooldown.with_cutoff(lock, cutoff)
    urls = {file.artifact.sha256: file.url for file in (*files, *build_files, *stage_files)}
    return _with_statements(project, lock, urls, current=current, other_builds=published is None)


def _with_statements(
    project: Resolvable, lock: Lock, urls: Mapping[str, str], *, current: Lock | None, other_builds: bool
) -> Lock:
    """The lock with the licenses and contents of its wheels, which are read at `urls`, by hash, where `current` has none."""
    if project.running:
        project.running.advance(len(lock.packages), note="reading wheel metadata")
    licenses, contents = read_statements(
        project.env, project.settings, lock, urls, current=current, other_builds=other_builds
    )
    return replace(lock, licenses=licenses, wheels=contents)


def _locked_sources(files: Sequence[LocatedArtifact], layers: Iterable[LayerLock]) -> list[LocatedArtifact]:
    """The source distributions of layers: they are built, others are of what the base image gives."""
    names = {package.name for layer in layers for package in layer.packages}
    return [file for file in files if file.artifact.is_source and file.artifact.name in names]


def _known_requirers(
    env: Environment,
    current: Lock | None,
    files: Sequence[LocatedArtifact],
    upstreams: tuple[Upstream, ...],
    published: PublishedHashes | None,
) -> dict[str, tuple[str, ...]]:
    """What requires each package, of the present lock where it answers the description and the same files were selected.

    What a file requires never changes. Empty where something moved.
    """
    if current is None or current.upstreams != upstreams:
        return {}
    abi_names = abi_wheels(env).keys()
    packages = current.all_packages.values()
    locked = {(package.name, package.sha256) for package in packages if package.name not in abi_names}
    if locked != {(file.artifact.name, file.artifact.sha256) for file in files}:
        return {}
    if answers.unanswered(env, current, uv=UV_VERSION, published=published):
        return {}
    return {package.name: package.required_by for package in packages}


def _resolve_family(
    project: Resolvable,
    wheels: Mapping[str, Wheel],
    upstreams: Sequence[Upstream],
    *,
    previous: Sequence[Artifact],
    upgrade: Sequence[str],
) -> tuple[Resolvable, list[LocatedArtifact], frozenset[str]]:
    """Resolve an environment, and again where other packages bring members of torch's family: those come from the channel.

    They keep the version of the first resolution, which torch decides, unless it is known to be for another torch: not every
    version names one, and not every version of a channel can be read. Gives the resolved project, the selected files, and the names of these members. Raises InputError where the base image would
    have to have them.
    """
    env = project.env
    requirements = uv_project.resolution_requirements(env, wheels, upstreams)
    constraints = uv_project.resolution_constraints(env, upstreams)
    of_sources = {
        canonicalize_name(Requirement(text).name) for text in uv_project.source_requirements(env, upstreams)
    }
    required = {*env.service.torch.family, *layer_members(env)}
    preferred = [_as_on_pypi(package) if package.name not in required else package for package in previous]
    members: dict[str, str] = {}
    while True:
        text = uv_project.render_uv_project(
            env,
            index=project.index,
            pins=requirements,
            members=members,
            constraints=constraints,
            overrides=uv_project.override_pins(env),
            indexes=index_addresses(env, project.settings),
            files=[file.artifact.name for file in project.located],
        )
        project = replace(project, text=text)
        files = select_files(project, previous=preferred, upgrade=upgrade)
        versions = {file.artifact.name: Version(file.artifact.version).public for file in files}
        _require_companions(project, files)
        brought = ({*versions} & channel_names(env)) - required - {*members}
        if not brought:
            return project, files, frozenset({*members} - of_sources)
        torch = env.service.torch.version
        members |= {name: str(fitting_version(name, torch, Version(versions[name]))) for name in brought}


def _as_on_pypi(package: Artifact) -> Artifact:
    """A locked package with the version that PyPI's build of the same release has: it has no local part."""
    return replace(package, version=Version(package.version).public)


def _require_companions(project: Resolvable, files: Sequence[LocatedArtifact]) -> None:
    env = project.env
    for name in sorted(file.artifact.name for file in files if needs_companion(env, file.artifact.name)):
        requirers = uv_selection.required_by(project, files).get(name, ())
        raise InputError(
            f"{env.service.file}: {', '.join(requirers)} requires {name}, and PyPI's build is not for the "
            f"torch of {env.base.image}; name it under `torch.companions` with the version that the image has"
        )


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
    text = uv_project.render_uv_project(env, index=None, pins=requirements)
    files = select_files(
        # a build tool without a wheel would have build requirements again
        _tools_project(env, settings, text, rule, "--only-binary"),
        previous=current.build.packages if current and current.build else (),
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
    for text, option in uv_project.stage_projects(env):
        preferred = [package for package in previous if package.is_source == (option == "--no-binary")]
        files += select_files(_tools_project(env, settings, text, rule, option), previous=preferred)
    artifacts = sorted(with_sizes(files, current), key=lambda artifact: artifact.name)
    return layer_lock(env, STAGE, artifacts, uv=UV_VERSION), files


def _tools_project(
    env: Environment, settings: Settings, text: str, rule: AgeRule | None, option: str
) -> Resolvable:
    """A project of what builds packages, which is pinned nowhere else; `option` is uv's for the kind of its files."""
    own_rule = replace(rule, untimed=frozenset(), pinned=frozenset()) if rule else None
    return Resolvable(env=env, settings=settings, text=text, options=(option, ":all:"), rule=own_rule)
