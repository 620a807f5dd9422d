"""TOR001, TOR003, TOR004: whether torch and its companions exist for the channel, Python, platform and C library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import partners
from torchpin.compat.builds import Build, build_changes, candidate_builds
from torchpin.compat.publication import (
    WheelFit,
    channels_with_release,
    listed_releases,
    publication,
    published_releases,
    wheel_fit,
)
from torchpin.description.environments import (
    base_path,
    has_other_channel,
    has_own_torch,
    target_text,
    torch_build,
)
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


def _channel_position(env: Environment) -> str:
    return env.service.location(f"variants.{env.variant.name}.channel")


@check("TOR001", "the channel does not have this torch release", judge=True)
def torch_is_published(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a channel that has the release, or a release that the channel has.

    PyTorch builds each release for a few CUDA versions only, and channels end: the last release on cu121 is 2.5.1, on
    cu124 2.6.0. The index snapshot of a channel lists every wheel on it. Where it is older than the release, or there is
    none, PyTorch's release matrix decides; PyPI's list of files decides for PyPI. The evidence names which of them it is.
    What none of them tells is unknown.

    Example: torch 2.7.1 does not exist on cu121; it exists on cu118, cu126, cu128 and cpu.

    Sources: index snapshots of the PyTorch wheel index; PyTorch's release compatibility matrix; PyPI's list of files.
    """
    if has_other_channel(env) or has_own_torch(env):
        return  # CHN001 has the finding, or nothing is installed from the channel
    channel, version = env.variant.channel, env.service.torch.version
    placed = publication(channel, version, env.variant.platform)
    if placed.status == "unknown":
        yield Unknown(message=placed.reason, about="torch")
    elif placed.status == "absent":
        yield _not_published(context, env, placed.evidence)
    elif channel == "pypi":
        build = torch_build(env)
        described = f"the {build} build" if build else "build not in the facts"
        evidence = f"torch {version} exists on PyPI ({described}): {placed.evidence.removeprefix('PyPI: ')}"
        yield Ok(about="torch", evidence=evidence)
    else:
        yield Ok(about="torch", evidence=f"torch {version} exists on {channel}: {placed.evidence}")


def _not_published(context: CheckContext, env: Environment, evidence: str) -> Answer:
    channel, version = env.variant.channel, env.service.torch.version
    channels = channels_with_release(str(version), env.variant.platform)
    if not channels and version not in facts.release_versions():
        return _no_release(context, env, evidence)
    best = next(iter(_alternatives(context, env)), None)
    where = "PyPI" if channel == "pypi" else channel
    return finding(
        env,
        _channel_position(env) if channels else env.service.location("torch.version"),
        f"torch {version} does not exist on {where}{_channel_limits(env)}; {_availability(channels)}",
        help=_build_help(env, best) if best else f"choose a release that has wheels for {target_text(env)}",
        about="torch",
        evidence=evidence,
        fix=build_changes(env, best) if best else (),
    )


def _no_release(context: CheckContext, env: Environment, evidence: str) -> Answer:
    """The finding of a version that torch was never released in; its companions may tell which is meant."""
    version, releases = env.service.torch.version, facts.release_versions()
    meant = partners.intended_release(env.service.torch.companions, version)
    best = next(iter(_alternatives(context, env)), None)
    help_text = _build_help(env, best) if best else ""
    fix: tuple[Change, ...] = build_changes(env, best) if best else ()
    if meant:
        release, companion = meant
        help_text = (
            f"did you mean {release}, which {companion} {env.service.torch.companions[companion]} belongs to?"
        )
        fix = (Change(path="torch.version", value=str(release)),)
    nearest = [
        *[older for older in releases if older < version][-1:],
        *[newer for newer in releases if newer > version][:1],
    ]
    return finding(
        env,
        env.service.location("torch.version"),
        f"torch {version} does not exist; the nearest releases are {' and '.join(map(str, nearest))}",
        help=help_text,
        about="torch",
        evidence=evidence,
        fix=fix,
    )


def _channel_limits(env: Environment) -> str:
    """What a channel has instead of a release that it does not have, as a clause."""
    channel, version = env.variant.channel, env.service.torch.version
    if channel == "pypi":
        return ""
    if facts.channel(channel) is None:
        return ", which is not a channel of PyTorch"
    published = published_releases(channel, env.variant.platform)
    if not published:
        return f", which has no release for {env.variant.platform}"
    recorded = listed_releases(channel, env.variant.platform)
    if version < min(published):
        return f", whose first release is {min(published)}"
    if version > max(published) and max(published) not in recorded:
        return f", whose last release is {max(published)}"
    return f", whose last recorded release is {max(recorded)}" if recorded else ""


def _availability(channels: tuple[str, ...]) -> str:
    """Where a release exists instead, as a clause."""
    return f"it exists on {', '.join(channels)}" if channels else "no channel has it for this platform"


def _alternatives(context: CheckContext, env: Environment) -> tuple[Build, ...]:
    """The builds that would fit: those of the same release on other channels first."""
    current = env.service.torch.version
    builds = candidate_builds(env, [name for name, _ in target_gpus(context, env)])
    return (
        *(build for build in builds if build.version == current),
        *(build for build in builds if build.version != current),
    )


def _build_help(env: Environment, best: Build) -> str:
    version = (
        f' and torch\'s `version: "{best.version}"`' if best.version != env.service.torch.version else ""
    )
    unsupported = f" (it has no code for {', '.join(best.unsupported_gpus)})" if best.unsupported_gpus else ""
    return f"set `channel: {best.channel}`{version}{unsupported}"


@check("TOR003", "there is no wheel for this Python, platform or C library", judge=True)
def wheels_fit(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a Python that this release has a wheel for, or a release that has one for this Python and platform.

    A wheel's tags name its Python, its machine, and the minimum glibc: manylinux_2_28 requires glibc 2.28, which Debian 10
    and Ubuntu 18.10 have; Alpine has musl, which is not glibc. There is no source distribution of torch to fall back on.

    Example: torch 2.8.0 has wheels for Python 3.9 to 3.13; with Python 3.14 its installation fails.

    Sources: the file names in the index snapshots of PyTorch channels; the C libraries of the distributions.
    """
    del context
    if has_other_channel(env) or has_own_torch(env):
        return  # CHN001 has the finding, or nothing is installed from the channel
    for name, version in env.service.torch.family.items():
        fit = wheel_fit(
            env.variant.channel, name, str(version), env.service.python, env.variant.platform
        )  # TOR001 or TOR002 has the finding where the version is not on the channel
        if fit.status == "unknown":
            yield Unknown(message=fit.reason, about=name)
        elif fit.status == "fits":
            yield _check_glibc(env, name, fit)
        else:
            yield _no_wheel(env, name, fit)


def _no_wheel(env: Environment, name: str, fit: WheelFit) -> Answer:
    python, platform = env.service.python, env.variant.platform
    version = env.service.torch.family[name]
    where = "PyPI" if env.variant.channel == "pypi" else env.variant.channel
    available = (
        f"it has wheels for {', '.join(fit.pythons)}" if fit.pythons else f"it has none for {platform}"
    )
    return finding(
        env,
        env.service.location("python" if fit.pythons else f"variants.{env.variant.name}.platform"),
        f"{name} {version} on {where} has no wheel for Python {python.major}.{python.minor} on {platform}; {available}",
        about=name,
        evidence=fit.evidence,
    )


def _check_glibc(env: Environment, name: str, fit: WheelFit) -> Answer:
    """Whether a wheel that fits runs on the C library of the base image."""
    base, version = facts.base_image(env.base.image), env.service.torch.family[name]
    wheel = (
        fit.file
        or f"a wheel of {name} {version} for Python {env.service.python.major}.{env.service.python.minor}"
    )
    if env.variant.platform.startswith("macos"):
        return Ok(about=name, evidence=f"{wheel} exists: {fit.evidence}")
    if base is None or base.glibc is None:
        if fit.glibc:
            message = (
                f"the C library of {env.base.image} is not in the facts; {name} requires glibc 2.{fit.glibc}"
            )
            return Unknown(message=message, about=name)
        return Ok(about=name, evidence=f"{wheel} exists: {fit.evidence}")
    if base.glibc == "musl" or int(base.glibc.partition(".")[2]) < fit.glibc:
        c_library = "musl instead of glibc" if base.glibc == "musl" else f"glibc {base.glibc}"
        message = f"the wheel of {name} requires glibc 2.{fit.glibc or 17}; {env.base.image} has {c_library}"
        return finding(
            env,
            env.service.location(f"{base_path(env)}.image"),
            message,
            help="choose a base image with a later glibc, such as one of Debian 12 or Ubuntu 22.04",
            about=name,
            evidence=base.citation,
        )
    evidence = f"{wheel} exists, and {env.base.image} has glibc {base.glibc}: {fit.evidence}; {base.citation}"
    return Ok(about=name, evidence=evidence)


@check("TOR004", "the channel gets no new releases", judge=True)
def channel_is_alive(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Plan a move to a channel that still gets new releases.

    A frozen channel keeps its wheels but gets no new releases, so no fix of torch will be published on it; a channel that
    is removed from the index cannot be installed from.

    Example: the last torch on cu121 is 2.5.1; later releases are on other channels.

    Sources: PyTorch's release compatibility matrix; index snapshots of the PyTorch wheel index.
    """
    del context
    if has_other_channel(env):
        return  # CHN001 has the finding
    channel = env.variant.channel
    if env.service.torch.origin == "base":
        return
    row = facts.channel(channel)
    if row is None:
        yield Unknown(message=f"channel {channel} is not in the facts", about=channel)
    elif row.ended:
        current = [
            channel_row.name for channel_row in facts.channels() if not channel_row.ended and channel_row.cuda
        ]
        series = max(row.series, key=Version, default="")
        yield finding(
            env,
            _channel_position(env),
            f"channel {channel} is frozen: its last series is {series}; {', '.join(current)} get new releases",
            about=channel,
            evidence=row.citation,
            level="notice",
        )
    else:
        yield Ok(about=channel, evidence=f"{channel} gets new releases: {row.citation}")
