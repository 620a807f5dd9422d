"""The builds of torch that would fit an environment: the candidates of fixes and bumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.compat.gpus import is_pypi_cpu_build, judge_gpu
from torchpin.compat.publication import published_releases, wheel_fit
from torchpin.description.environments import torch_build, with_build
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from torchpin.model import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A release of torch on a channel that has a wheel for an environment."""

    version: Version
    channel: str
    unsupported_gpus: tuple[str, ...] = ()  # of the GPUs in question, those that it has no code for


def candidate_builds(env: Environment, gpus: Sequence[str]) -> tuple[Build, ...]:
    """Every build on the channels with a wheel for the environment's Python and platform, the nearest first.

    Nearest: fewest unsupported GPUs, then the same release, then newer ones upwards, then older ones downwards; of these
    the nearest CUDA, upwards first.
    """
    current, build = env.service.torch.version, torch_build(env) or env.variant.channel
    cuda = build != "cpu" or is_pypi_cpu_build(env)
    candidates = [
        candidate_build(env, row.name, version, gpus)
        for row in facts.channels()
        if row.name != "pypi" and (row.cuda is not None) == cuda  # a CPU variant stays on a CPU channel
        for version in published_releases(row.name, env.variant.platform)
        if _has_wheel(env, row.name, version)
    ]
    return tuple(
        sorted(
            candidates,
            key=lambda candidate: (
                len(candidate.unsupported_gpus),
                upward_distance(candidate.version, current),
                cuda_distance(candidate.channel, build),
            ),
        )
    )


def _has_wheel(env: Environment, channel: str, version: Version) -> bool:
    fit = wheel_fit(channel, "torch", str(version), env.service.python, env.variant.platform)
    return fit.status == "fits"


def candidate_build(env: Environment, channel: str, version: Version, gpus: Sequence[str]) -> Build:
    """A release on a channel, with those of `gpus` that it has no code for or for which that is unknown."""
    changed_env = with_build(env, version, channel)
    unsupported = tuple(name for name in gpus if judge_gpu(changed_env, facts.gpu(name)).status != "ok")
    return Build(version=version, channel=channel, unsupported_gpus=unsupported)


def build_with_code(env: Environment, gpu: str, gpus: Sequence[str]) -> Build | None:
    """The nearest build with code for a GPU, of a release that is not older; of another series its newest patch release.

    `gpus`: those in question, the GPU among them.
    """
    current = env.service.torch.version
    serving = [
        build
        for build in candidate_builds(env, gpus)
        # nobody downgrades torch for it, though older releases may have code too
        if gpu not in build.unsupported_gpus and build.version >= current
    ]
    if not serving or serving[0].version == current:
        return next(iter(serving), None)
    nearest = serving[0]
    patches = [
        build
        for build in serving
        if build.version.release[:2] == nearest.version.release[:2]
        if (build.channel, build.unsupported_gpus) == (nearest.channel, nearest.unsupported_gpus)
    ]
    return max(patches, key=lambda build: build.version)


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


def cuda_distance(channel: str, current: str) -> tuple[bool, tuple[int, ...]]:
    """A sort key for channels by the CUDA in their names: the current one, those above it upwards, those below downwards."""
    cuda, current_cuda = (
        tuple(int(part) for part in (facts.channel_cuda(name) or "0").split("."))
        for name in (channel, current)
    )
    return (False, cuda) if cuda >= current_cuda else (True, tuple(-part for part in cuda))
