"""TOR: whether torch and its companions exist for the channel, Python, platform and C library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.builds import (
    Build,
    build_changes,
    candidate_builds,
    channels_with_release,
    fitting_files,
    listed_files,
    listed_releases,
)
from torchpin.compat.releases import companion_choices
from torchpin.description.environments import MACHINES, base_path
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.facts import TorchRelease
    from torchpin.model import Environment


def _channel_position(env: Environment) -> str:
    return env.service.location(f"variants.{env.variant.name}.channel")


def _snapshot_citation(channel: str) -> str:
    snapshot = facts.index_snapshot(channel)
    return snapshot.citation if snapshot else ""


@check("TOR001", "the channel does not have this torch release", judge=True)
def torch_is_published(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a channel that has the release, or a release that the channel has.

    PyTorch builds each release for a few CUDA versions only, and channels end: the last release on cu121 is 2.5.1, on
    cu124 2.6.0. The index snapshot of a channel lists every wheel on it. Whether a later release exists is unknown, unless
    the channel had ended before the snapshot.

    Example: torch 2.7.1 does not exist on cu121; it exists on cu118, cu126, cu128 and cpu.

    Sources: index snapshots of the PyTorch wheel index; PyTorch's release compatibility matrix.
    """
    channel, version = env.variant.channel, str(env.service.torch.version)
    if channel == "pypi":
        yield _check_pypi(version)
    elif facts.index_snapshot(channel) is None:
        yield Unknown(message=f"there is no index snapshot of {channel}", about="torch")
    elif Version(version) in listed_releases(channel, env.variant.platform):
        yield Ok(
            about="torch", evidence=f"torch {version} exists on {channel}: {_snapshot_citation(channel)}"
        )
    elif _may_be_newer_than_snapshot(env, version):
        snapshot = facts.index_snapshot(channel)
        message = f"torch {version} may be later than the index snapshot of {channel} ({snapshot and snapshot.date})"
        yield Unknown(message=message, about="torch")
    else:
        yield _not_published(context, env)


def _check_pypi(version: str) -> Answer:
    row = facts.release(version)
    if row is None:
        return Unknown(message=f"torch {version} is not in the facts", about="torch")
    build = f"the {row.pypi_local} build" if row.pypi_local else "build not in the facts"
    return Ok(about="torch", evidence=f"torch {version} exists on PyPI ({build}): {row.citation}")


def _may_be_newer_than_snapshot(env: Environment, version: str) -> bool:
    """Whether a release is later than all of an index snapshot that was not yet complete."""
    last, row = _latest_release(env), facts.channel(env.variant.channel)
    if last is None or Version(version) <= last:
        return False
    if row is None or not row.ended:
        return True
    final = max(map(Version, row.series))
    return final.release > last.release[:2] and Version(version).release[:2] <= final.release


def _latest_release(env: Environment) -> Version | None:
    return max(listed_releases(env.variant.channel, env.variant.platform), default=None)


def _not_published(context: CheckContext, env: Environment) -> Answer:
    channel, version = env.variant.channel, str(env.service.torch.version)
    channels, last = channels_with_release(version, env.variant.platform), _latest_release(env)
    availability = f"it exists on {', '.join(channels)}" if channels else "no index snapshot lists it"
    best = next(iter(_alternatives(context, env)), None)
    return finding(
        env,
        env.service.location("torch.version") if not channels else _channel_position(env),
        f"torch {version} does not exist on {channel}, whose last recorded release is {last}; {availability}",
        help=_build_help(env, best)
        if best
        else f"choose a release that has wheels for Python {env.service.python} on {env.variant.platform}",
        about="torch",
        evidence=_snapshot_citation(channel),
        fix=build_changes(env, best) if best else (),
    )


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


@check("TOR002", "a companion does not match the torch release", judge=True)
def companions_are_partners(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Set the version of the companion that was released with this torch.

    torchvision and torchaudio are compiled against one release of torch and pin it exactly; any other pair does not
    resolve, or replaces torch. Their version numbers differ from torch's, and the last torchaudio is 2.11.

    Example: torch 2.5.1 goes with torchvision 0.20.1 and torchaudio 2.5.1, not with torchvision 0.20.0.

    Sources: METADATA of the companions' wheels; PyTorch's release compatibility matrix.
    """
    del context
    release = facts.release(str(env.service.torch.version))
    for name, version in env.service.torch.companions.items():
        partners = companion_choices(release, name)
        if release is None or partners is None:
            torch = env.service.torch.version
            yield Unknown(message=f"the {name} release for torch {torch} is not in the facts", about=name)
        elif str(version) in partners:
            evidence = f"{name} {version} matches torch {release.version}: {release.citation}"
            yield Ok(about=name, evidence=evidence)
        else:
            yield _wrong_companion(env, release, name, partners)


def _wrong_companion(env: Environment, release: TorchRelease, name: str, partners: tuple[str, ...]) -> Answer:
    path, torch = f"torch.companions.{name}", release.version
    reason = (
        f"its {name} is {' or '.join(partners)}"
        if partners
        else f"the last {name} release is 2.11"  # only torchaudio has ended: compat.releases.companion_choices
    )
    help_text = f'set `{name}: "{partners[-1]}"`' if partners else f"remove {name} from `companions`"
    return finding(
        env,
        env.service.location(path),
        f"{name} {env.service.torch.companions[name]} does not match torch {torch}; {reason}",
        help=help_text,
        about=name,
        evidence=release.citation,
        fix=(Change(path=path, value=partners[-1] if partners else None),),
        fix_is_safe=len(partners) == 1,
    )


@check("TOR003", "there is no wheel for this Python, platform or C library", judge=True)
def wheels_fit(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a Python that this release has a wheel for, or a release that has one for this Python and platform.

    A wheel's tags name its Python, its machine, and the minimum glibc: manylinux_2_28 requires glibc 2.28, which Debian 10
    and Ubuntu 18.10 have; Alpine has musl, which is not glibc. There is no source distribution of torch to fall back on.

    Example: torch 2.8.0 has wheels for Python 3.9 to 3.13; with Python 3.14 its installation fails.

    Sources: the file names in the index snapshots of PyTorch channels; the C libraries of the distributions.
    """
    del context
    for name, version in env.service.torch.family.items():
        yield from _check_wheel(env, name, str(version))


def _check_wheel(env: Environment, name: str, version: str) -> Iterator[Answer]:
    channel, python, platform = env.variant.channel, env.service.python, env.variant.platform
    short = f"{python.major}.{python.minor}"
    if channel == "pypi":
        yield from _check_pypi_wheel(env, name, version, short)
        return
    files = listed_files(channel, name).get(Version(version))
    if not files:  # TOR001 or TOR002 has the finding
        yield Unknown(message=f"{name} {version} is not in the index snapshot of {channel}", about=name)
        return
    fitting = fitting_files(channel, name, version, python, platform)
    if fitting:
        yield from _check_glibc(env, name, fitting)
        return
    interpreters = sorted(
        {
            tag.interpreter
            for tags in files.values()
            for tag in tags
            if tag.platform.endswith(MACHINES[platform])
        },
        key=lambda interpreter: (len(interpreter), interpreter),  # cp39 before cp310
    )
    available = (
        f"it has wheels for {', '.join(interpreters)}" if interpreters else f"it has none for {platform}"
    )
    yield finding(
        env,
        env.service.location("python")
        if interpreters
        else env.service.location(f"variants.{env.variant.name}.platform"),
        f"{name} {version} on {channel} has no wheel for Python {short} on {platform}; {available}",
        about=name,
        evidence=_snapshot_citation(channel),
    )


def _check_pypi_wheel(env: Environment, name: str, version: str, short: str) -> Iterator[Answer]:
    release = facts.release(version) if name == "torch" else None
    # `wheel_pythons` is recorded for torch itself and for x86_64.
    if release is None or env.variant.platform != "linux/amd64":
        yield Unknown(message=f"the wheels of {name} {version} on PyPI are not in the facts", about=name)
        return
    tag = f"cp{short.replace('.', '')}"
    if tag in release.wheel_pythons:
        yield Ok(about=name, evidence=f"torch {version} has a wheel for {tag} on PyPI: {release.citation}")
    else:
        pythons = ", ".join(release.wheel_pythons)
        message = f"torch {version} on PyPI has no wheel for Python {short}; it has wheels for {pythons}"
        yield finding(env, env.service.location("python"), message, about=name, evidence=release.citation)


def _check_glibc(env: Environment, name: str, files: tuple[str, ...]) -> Iterator[Answer]:
    """Whether one of the files runs on the C library of the base image."""
    base, minimum = facts.base_image(env.base.image), min(map(_required_glibc, files))
    if base is None or base.glibc is None:
        if minimum:
            message = (
                f"the C library of {env.base.image} is not in the facts; {name} requires glibc 2.{minimum}"
            )
            yield Unknown(message=message, about=name)
            return
        yield Ok(about=name, evidence=f"{files[0]} exists: {_snapshot_citation(env.variant.channel)}")
    elif base.glibc == "musl" or int(base.glibc.partition(".")[2]) < minimum:
        c_library = "musl instead of glibc" if base.glibc == "musl" else f"glibc {base.glibc}"
        message = f"the wheel of {name} requires glibc 2.{minimum or 17}; {env.base.image} has {c_library}"
        yield finding(
            env,
            env.service.location(f"{base_path(env)}.image"),
            message,
            help="choose a base image with a later glibc, such as one of Debian 12 or Ubuntu 22.04",
            about=name,
            evidence=base.citation,
        )
    else:
        evidence = (
            f"{files[0]} exists, and {env.base.image} has glibc {base.glibc}: "
            f"{_snapshot_citation(env.variant.channel)}; {base.citation}"
        )
        yield Ok(about=name, evidence=evidence)


def _required_glibc(file: str) -> int:
    """The minor of the glibc 2.x that a wheel requires; 0 where its tag is plain `linux`.

    17 for the older manylinux tags: manylinux2014 means glibc 2.17, manylinux1 and manylinux2010 require less.
    """
    platform = file.removesuffix(".whl").rpartition("-")[2]
    minors = [int(part.split("_")[2]) for part in platform.split(".") if part.startswith("manylinux_2_")]
    return min(minors, default=17 if "manylinux" in platform else 0)


@check("TOR004", "the channel gets no new releases", judge=True)
def channel_is_alive(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Plan a move to a channel that still gets new releases.

    A frozen channel keeps its wheels but gets no new releases, so no fix of torch will be published on it; a channel that
    is removed from the index cannot be installed from.

    Example: the last torch on cu121 is 2.5.1; later releases are on other channels.

    Sources: PyTorch's release compatibility matrix; index snapshots of the PyTorch wheel index.
    """
    del context
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
