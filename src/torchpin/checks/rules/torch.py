"""TOR: is there such a torch, with its companions, for this channel, Python, platform and C library?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import CheckContext, location_of, target_gpus
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import builds as compat_builds
from torchpin.compat import releases
from torchpin.description.environments import MACHINES
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.facts import TorchRelease
    from torchpin.model import Environment


def _channel_position(env: Environment) -> str:
    return location_of(env.service, f"variants.{env.variant.name}.channel")


def _snapshot_source(channel: str) -> str:
    page = facts.index_snapshot(channel)
    return f"{page.source} ({page.date})" if page else ""


# --- TOR001 ----------------------------------------------------------------------------------------------------------


@check("TOR001", "The channel has this torch release", judge=True)
def torch_is_published(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a channel that has the release, or a release that the channel has.

    PyTorch builds each release for a few CUDA versions only, and no channel gets new releases for ever: cu121 ends with
    2.5.1, cu124 with 2.6.0. The recorded page of a channel lists every wheel that it has; what came after the recording
    is unknown, unless the channel had ended before.

    Example: torch 2.7.1 is not on cu121; cu118, cu126, cu128 and cpu have it.

    Sources: the pages of the PyTorch wheel index, as recorded; PyTorch's release compatibility matrix.
    """
    channel, version = env.variant.channel, str(env.service.torch.version)
    if channel == "pypi":
        yield _check_pypi(version)
    elif facts.index_snapshot(channel) is None:
        yield Unknown(message=f"the index of {channel} is not recorded", about="torch")
    elif Version(version) in compat_builds.releases(channel, env.variant.platform):
        yield Ok(
            about="torch", evidence=f"torch {version} is listed on {channel}: {_snapshot_source(channel)}"
        )
    elif _may_be_newer_than_snapshot(env, version):
        page = facts.index_snapshot(channel)
        message = (
            f"torch {version} is newer than the page of {channel} that was recorded on {page and page.date}"
        )
        yield Unknown(message=message, about="torch")
    else:
        yield _not_published(evidence, env)


def _check_pypi(version: str) -> Answer:
    row = facts.release(version)
    if row is None:
        return Unknown(message=f"torch {version} is not in the facts", about="torch")
    build = f"there the build of {row.pypi_local}" if row.pypi_local else "of a build that no fact tells"
    return Ok(about="torch", evidence=f"torch {version} is on PyPI, {build}: {row.source} ({row.date})")


def _may_be_newer_than_snapshot(env: Environment, version: str) -> bool:
    """Whether a release may have come after the recording: newer than all of a page that was not yet complete."""
    last, row = _latest_release(env), facts.channel(env.variant.channel)
    if last is None or Version(version) <= last:
        return False
    if row is None or not row.ended:
        return True
    final = max(map(Version, row.series))
    return final.release > last.release[:2] and Version(version).release[:2] <= final.release


def _latest_release(env: Environment) -> Version | None:
    return max(compat_builds.releases(env.variant.channel, env.variant.platform), default=None)


def _not_published(evidence: CheckContext, env: Environment) -> Answer:
    channel, version = env.variant.channel, str(env.service.torch.version)
    channels, last = compat_builds.channels_with_release(version, env.variant.platform), _latest_release(env)
    availability = f"it is on {', '.join(channels)}" if channels else "it is on no recorded channel"
    best = next(iter(_alternatives(evidence, env)), None)
    return finding(
        env,
        location_of(env.service, "torch.version") if not channels else _channel_position(env),
        f"torch {version} is not published on {channel}, whose last release is {last}; {availability}",
        help=_build_help(env, best)
        if best
        else "Choose a release that a recorded channel has for this Python.",
        about="torch",
        evidence=_snapshot_source(channel),
        fix=_build_changes(env, best) if best else (),
    )


def _alternatives(evidence: CheckContext, env: Environment) -> tuple[compat_builds.Build, ...]:
    """The same release elsewhere before any other release here or there."""
    current = env.service.torch.version
    builds = compat_builds.candidate_builds(env, [name for name, _ in target_gpus(evidence, env)])
    return (
        *(build for build in builds if build.version == current),
        *(build for build in builds if build.version != current),
    )


def _build_changes(env: Environment, best: compat_builds.Build) -> tuple[Change, ...]:
    return (
        *(
            []
            if best.channel == env.variant.channel
            else [Change(path=f"variants.{env.variant.name}.channel", value=best.channel)]
        ),
        *(
            []
            if best.version == env.service.torch.version
            else [Change(path="torch.version", value=str(best.version))]
        ),
    )


def _build_help(env: Environment, best: compat_builds.Build) -> str:
    version = (
        f' and torch\'s `version: "{best.version}"`' if best.version != env.service.torch.version else ""
    )
    lost = f" (no code there for {', '.join(best.unsupported_gpus)})" if best.unsupported_gpus else ""
    return f"Write `channel: {best.channel}`{version}{lost}."


# --- TOR002 ----------------------------------------------------------------------------------------------------------


@check("TOR002", "Each companion is the release's partner", judge=True)
def companions_are_partners(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the companion's version that was released with this torch.

    torchvision and torchaudio are compiled against one release of torch and pin it exactly; another pair does not
    resolve, or replaces torch. Their numbers differ from torch's, and torchaudio ends with 2.11.

    Example: torch 2.5.1 goes with torchvision 0.20.1 and torchaudio 2.5.1, not with torchvision 0.20.0.

    Sources: METADATA of the companions' wheels; PyTorch's release compatibility matrix.
    """
    del evidence
    release = facts.release(str(env.service.torch.version))
    for name, version in env.service.torch.companions.items():
        partners = releases.companion_choices(release, name)
        if release is None or partners is None:
            torch = env.service.torch.version
            yield Unknown(message=f"which {name} belongs to torch {torch} is not in the facts", about=name)
        elif str(version) in partners:
            text = f"{name} {version} belongs to torch {release.version}: {release.source} ({release.date})"
            yield Ok(about=name, evidence=text)
        else:
            yield _wrong_companion(env, release, name, partners)


def _wrong_companion(env: Environment, release: TorchRelease, name: str, partners: tuple[str, ...]) -> Answer:
    path, torch = f"torch.companions.{name}", release.version
    right = (
        f"its {name} is {' or '.join(partners)}"
        if partners
        else f"there is no {name} for it: it ends with 2.11"
    )
    advice = f'Write `{name}: "{partners[-1]}"`.' if partners else f"Remove {name} from `companions`."
    return finding(
        env,
        location_of(env.service, path),
        f"{name} {env.service.torch.companions[name]} does not belong to torch {torch}; {right}",
        help=advice,
        about=name,
        evidence=f"{release.source} ({release.date})",
        fix=(Change(path=path, value=partners[-1] if partners else None),),
        fix_is_safe=len(partners) == 1,
    )


# --- TOR003 ----------------------------------------------------------------------------------------------------------


@check("TOR003", "There is a wheel for this Python, platform and C library", judge=True)
def wheels_fit(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a Python that this release has a wheel for, or a release that has one for this Python and platform.

    A wheel's tags name one Python, one machine, and the oldest glibc that it runs on: manylinux_2_28 needs glibc 2.28,
    as Debian 10 and Ubuntu 18.10 have it; Alpine's musl is none. Torch has no source archive to fall back on.

    Example: torch 2.8.0 has wheels for Python 3.9 to 3.13; with Python 3.14 nothing installs.

    Sources: the file names on the recorded pages of the PyTorch index; the C libraries of the distributions.
    """
    del evidence
    for name, version in env.service.torch.family.items():
        yield from _check_wheel(env, name, str(version))


def _check_wheel(env: Environment, name: str, version: str) -> Iterator[Answer]:
    channel, python, platform = env.variant.channel, env.service.python, env.variant.platform
    short = f"{python.major}.{python.minor}"
    if channel == "pypi":
        yield from _check_pypi_wheel(env, name, version, short)
        return
    files = compat_builds.listed_files(channel, name).get(Version(version))
    if not files:  # what is not there at all is for TOR001 to tell, or for TOR002
        yield Unknown(message=f"{name} {version} is not on the recorded page of {channel}", about=name)
        return
    fitting = compat_builds.fitting_files(channel, name, version, python, platform)
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
        f"it has wheels there for {', '.join(interpreters)}"
        if interpreters
        else f"it has none for {platform} at all"
    )
    yield finding(
        env,
        location_of(env.service, "python")
        if interpreters
        else location_of(env.service, f"variants.{env.variant.name}.platform"),
        f"{name} {version} on {channel} has no wheel for Python {short} on {platform}; {available}",
        about=name,
        evidence=_snapshot_source(channel),
    )


def _check_pypi_wheel(env: Environment, name: str, version: str, short: str) -> Iterator[Answer]:
    release = facts.release(version) if name == "torch" else None
    if release is None or env.variant.platform != "linux/amd64":
        yield Unknown(message=f"the wheels of {name} {version} on PyPI are not in the facts", about=name)
        return
    tag, source = f"cp{short.replace('.', '')}", f"{release.source} ({release.date})"
    if tag in release.wheel_pythons:
        yield Ok(about=name, evidence=f"torch {version} has a wheel for {tag} on PyPI: {source}")
    else:
        pythons = ", ".join(release.wheel_pythons)
        message = f"torch {version} on PyPI has no wheel for Python {short}; it has some for {pythons}"
        yield finding(env, location_of(env.service, "python"), message, about=name, evidence=source)


def _check_glibc(env: Environment, name: str, files: tuple[str, ...]) -> Iterator[Answer]:
    """Whether one of the files runs on the base's C library."""
    base, minimum = facts.base_image(env.base.image), min(map(_required_glibc, files))
    if base is None or base.glibc is None:
        if minimum:
            message = f"the C library of {env.base.image} is not in the facts; {name} needs glibc 2.{minimum}"
            yield Unknown(message=message, about=name)
            return
        yield Ok(about=name, evidence=f"{files[0]} is listed: {_snapshot_source(env.variant.channel)}")
    elif base.glibc == "musl" or int(base.glibc.partition(".")[2]) < minimum:
        c_library = "musl instead of glibc" if base.glibc == "musl" else f"glibc {base.glibc}"
        path = f"variants.{env.variant.name}.base.image" if env.variant.base else "base.image"
        message = f"{name}'s wheel needs glibc 2.{minimum or 17}; {env.base.image} has {c_library}"
        remedy = "Choose a base with a newer glibc, such as one of Debian 12 or Ubuntu 22.04."
        yield finding(
            env,
            location_of(env.service, path),
            message,
            help=remedy,
            about=name,
            evidence=f"{base.source} ({base.date})",
        )
    else:
        text = f"{files[0]} is listed ({_snapshot_source(env.variant.channel)}), and {env.base.image} has glibc {base.glibc}"
        yield Ok(about=name, evidence=text)


def _required_glibc(file: str) -> int:
    """The minor of the glibc that a wheel asks for; 0 where its tag says only linux."""
    platform = file.removesuffix(".whl").rpartition("-")[2]
    minors = [int(part.split("_")[2]) for part in platform.split(".") if part.startswith("manylinux_2_")]
    return min(minors, default=17 if "manylinux" in platform else 0)


# --- TOR004 ----------------------------------------------------------------------------------------------------------


@check("TOR004", "The channel is alive", judge=True)
def channel_is_alive(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Plan the move to a living channel, or waive this until the service moves.

    A frozen channel keeps its wheels but gets no further release, so no fix of torch will ever come to it; one that is
    gone from the index cannot be installed from.

    Example: cu121 ends with torch 2.5.1; later releases are on other channels.

    Sources: PyTorch's release compatibility matrix; the recorded pages.
    """
    del evidence
    channel = env.variant.channel
    if env.service.torch.origin == "base":
        return
    row = facts.channel(channel)
    if row is None:
        yield Unknown(message=f"the channel {channel} is not in the facts", about=channel)
    elif row.ended:
        living = [
            channel_row.name for channel_row in facts.channels() if not channel_row.ended and channel_row.cuda
        ]
        series = max(row.series, key=Version, default="")
        yield finding(
            env,
            _channel_position(env),
            f"the channel {channel} is frozen: its last series is {series}; {', '.join(living)} get new releases",
            about=channel,
            evidence=f"{row.source} ({row.date})",
            level="warning",
        )
    else:
        yield Ok(about=channel, evidence=f"{channel} is in the current matrix: {row.source} ({row.date})")
