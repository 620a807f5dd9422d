"""The builds of torch on the channels, and those that would fit an environment: the candidates of fixes and bumps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.compat.gpus import judge_gpu
from torchpin.description.environments import MACHINES, torch_build, with_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.tags import Tag

    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A release of torch on a channel that has a wheel for an environment."""

    version: Version
    channel: str
    unsupported_gpus: tuple[str, ...] = ()  # of the GPUs in question, those that it has no code for


@cache
def listed_files(channel: str, package: str) -> Mapping[Version, Mapping[str, frozenset[Tag]]]:
    """The files of a package in the index snapshot of a channel: public version to file name to tags.

    Only builds of this channel: pages also list wheels with the local part of another channel or, on CUDA channels,
    with none.
    """
    page = facts.index_snapshot(channel)
    files_by_version: dict[Version, dict[str, frozenset[Tag]]] = {}
    for name in page.packages.get(package, {}) if page else ():
        try:
            _, version, _, tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue  # old pages list some; no current installer accepts them
        if _belongs_to_channel(version, channel, tags):
            files_by_version.setdefault(Version(version.public), {})[name] = tags
    return files_by_version


def _belongs_to_channel(version: Version, channel: str, tags: frozenset[Tag]) -> bool:
    """Whether a file is a build of a channel: by its local part, which aarch64 builds of some series and many CPU builds lack."""
    if version.local == channel:
        return True
    if version.is_prerelease or version.local is not None:
        return False
    return channel == "cpu" or all(tag.platform.endswith("aarch64") for tag in tags)


@cache
def listed_releases(channel: str, platform: str) -> frozenset[Version]:
    """The releases of torch with a wheel for a platform in the index snapshot of a channel, whatever its Python."""
    machine = f"_{MACHINES[platform]}"
    return frozenset(
        version
        for version, files in listed_files(channel, "torch").items()
        if any(
            tag.platform == "any" or tag.platform.endswith(machine) for tags in files.values() for tag in tags
        )
    )


def channels_with_release(version: str, platform: str) -> tuple[str, ...]:
    """The channels whose index snapshot has a release of torch for a platform."""
    return tuple(
        row.name for row in facts.channels() if Version(version) in listed_releases(row.name, platform)
    )


def fitting_files(
    channel: str, package: str, version: str, python: Version, platform: str
) -> tuple[str, ...]:
    """The files of a release in an index snapshot that fit a Python and a platform, whatever their glibc."""
    machine, interpreter = MACHINES[platform], f"cp{python.major}{python.minor}"
    return tuple(
        name
        for name, tags in listed_files(channel, package).get(Version(version), {}).items()
        if any(_tag_fits(tag, interpreter, machine) for tag in tags)
    )


def _tag_fits(tag: Tag, interpreter: str, machine: str) -> bool:
    if tag.platform != "any" and not tag.platform.endswith(f"_{machine}"):
        return False
    # Up to Python 3.7 the ABI tag has the suffix m: torch 1.13 has cp37-cp37m wheels.
    abis = {interpreter, f"{interpreter}m", "abi3", "none"}
    return tag.interpreter in {interpreter, "py3", "py2"} and tag.abi in abis


def candidate_builds(env: Environment, gpus: Sequence[str]) -> tuple[Build, ...]:
    """Every build in the index snapshots with a wheel for the environment's Python and platform, the nearest first.

    Nearest: fewest unsupported GPUs, then the same release, then newer ones upwards, then older ones downwards; of these
    the oldest channel.
    """
    current = env.service.torch.version
    cuda = torch_build(env) != "cpu"
    candidates = [
        candidate_build(env, row.name, version, gpus)
        for row in facts.channels()
        if (row.cuda is not None) == cuda  # a CPU variant stays on a CPU channel
        for version in listed_releases(row.name, env.variant.platform)
        if fitting_files(row.name, "torch", str(version), env.service.python, env.variant.platform)
    ]
    return tuple(
        sorted(
            candidates,
            key=lambda candidate: (
                len(candidate.unsupported_gpus),
                upward_distance(candidate.version, current),
                candidate.channel,
            ),
        )
    )


def candidate_build(env: Environment, channel: str, version: Version, gpus: Sequence[str]) -> Build:
    """A release on a channel, with those of `gpus` that it has no code for or for which that is unknown."""
    changed_env = with_build(env, version, channel)
    unsupported = tuple(name for name in gpus if judge_gpu(changed_env, facts.gpu(name)).status != "ok")
    return Build(version=version, channel=channel, unsupported_gpus=unsupported)


def build_changes(env: Environment, build: Build) -> tuple[Change, ...]:
    """The changes to the description by which an environment selects a build."""
    channel = Change(path=f"variants.{env.variant.name}.channel", value=build.channel)
    version = Change(path="torch.version", value=str(build.version))
    return (
        *([channel] if build.channel != env.variant.channel else []),
        *([version] if build.version != env.service.torch.version else []),
    )


def upward_distance(version: Version, current: Version) -> tuple[bool, tuple[int, ...]]:
    """A sort key for versions: the current one, then newer ones upwards, then older ones downwards."""
    if version >= current:
        return (False, tuple(version.release))
    return (True, tuple(-part for part in version.release))
