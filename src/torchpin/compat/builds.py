"""Which builds of torch could serve an environment, the nearest first: what repairs propose and bumps choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from torchpin import facts
from torchpin.compat.gpus import judge_gpu
from torchpin.description.environments import MACHINES, torch_build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.tags import Tag

    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A release on a channel that has a wheel for the environment; `lost`: the GPUs that it has no code for."""

    version: Version
    channel: str
    unsupported_gpus: tuple[str, ...] = ()


# --- what the recorded pages list ------------------------------------------------------------------------------------


@cache
def listed_files(channel: str, package: str) -> Mapping[Version, Mapping[str, frozenset[Tag]]]:
    """The files of a package on a recorded page, by public version: file name to its tags.

    Only builds of this channel: a page also lists some that carry another local part, or on CUDA pages none.
    """
    page = facts.index_snapshot(channel)
    files_by_version: dict[Version, dict[str, frozenset[Tag]]] = {}
    for name in page.packages.get(package, {}) if page else ():
        try:
            _, version, _, tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue  # old pages list some; none of them can be installed by today's tools
        if _belongs_to_channel(version, channel, tags):
            files_by_version.setdefault(Version(version.public), {})[name] = tags
    return files_by_version


def _belongs_to_channel(version: Version, channel: str, tags: frozenset[Tag]) -> bool:
    """CUDA builds name their channel, but for aarch64 of some series; CPU builds often name none."""
    if version.local == channel:
        return True
    if version.is_prerelease or version.local is not None:
        return False
    return channel == "cpu" or all(tag.platform.endswith("aarch64") for tag in tags)


@cache
def releases(channel: str, platform: str, package: str = "torch") -> frozenset[Version]:
    """The releases of which a channel lists a wheel for a platform, whatever its Python."""
    machine = f"_{MACHINES[platform]}"
    return frozenset(
        version
        for version, files in listed_files(channel, package).items()
        if any(
            tag.platform == "any" or tag.platform.endswith(machine) for tags in files.values() for tag in tags
        )
    )


def channels_with_release(version: str, platform: str) -> tuple[str, ...]:
    """The recorded channels that list a release of torch for a platform."""
    return tuple(row.name for row in facts.channels() if Version(version) in releases(row.name, platform))


def fitting_files(
    channel: str, package: str, version: str, python: Version, platform: str
) -> tuple[str, ...]:
    """The listed files of a release for a Python and a platform, whatever the glibc."""
    machine, interpreter = MACHINES[platform], f"cp{python.major}{python.minor}"
    return tuple(
        name
        for name, tags in listed_files(channel, package).get(Version(version), {}).items()
        if any(_tag_fits(tag, interpreter, machine) for tag in tags)
    )


def _tag_fits(tag: Tag, interpreter: str, machine: str) -> bool:
    if tag.platform != "any" and not tag.platform.endswith(f"_{machine}"):
        return False
    return tag.interpreter in {interpreter, "py3", "py2"} and tag.abi in {
        interpreter,
        "none",
        "abi3",
        f"{interpreter}m",
    }


# --- what could be taken instead -------------------------------------------------------------------------------------


def candidate_builds(env: Environment, gpus: Sequence[str]) -> tuple[Build, ...]:
    """Every recorded build with a wheel for the environment's Python and platform, the nearest first.

    Nearest: no described GPU lost, then the same release, then the least newer one, then the oldest channel that serves.
    """
    current = env.service.torch.version
    cuda = torch_build(env) != "cpu"
    candidates = [
        candidate_build(env, row.name, version, gpus)
        for row in facts.channels()
        if (row.cuda is not None) == cuda
        for version in releases(row.name, env.variant.platform)
        if fitting_files(row.name, "torch", str(version), env.service.python, env.variant.platform)
    ]
    return tuple(
        sorted(
            candidates,
            key=lambda candidate: (
                len(candidate.unsupported_gpus),
                _distance(candidate.version, current),
                candidate.channel,
            ),
        )
    )


def candidate_build(env: Environment, channel: str, version: Version, gpus: Sequence[str]) -> Build:
    """A release on a channel, with the GPUs that it loses."""
    changed_env = replace(
        env,
        service=replace(env.service, torch=replace(env.service.torch, version=version)),
        variant=replace(env.variant, channel=channel),
    )
    lost = tuple(name for name in gpus if judge_gpu(changed_env, facts.gpu(name)).answer != "ok")
    return Build(version=version, channel=channel, unsupported_gpus=lost)


def _distance(version: Version, current: Version) -> tuple[bool, Version | tuple[int, ...]]:
    """The same release, then newer ones upwards, then older ones downwards."""
    if version >= current:
        return (False, tuple(version.release))
    return (True, tuple(-part for part in version.release))
