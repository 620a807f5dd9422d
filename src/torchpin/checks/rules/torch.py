"""TOR: is there such a torch, with its companions, for this channel, Python, platform and C library?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, gpus_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import builds, releases
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.registry import Answer
    from torchpin.facts import TorchRelease
    from torchpin.model import Environment


def _channel_place(env: Environment) -> str:
    return at(env.service, f"variants.{env.variant.name}.channel")


def _page(channel: str) -> str:
    page = facts.recorded(channel)
    return f"{page.source} ({page.date})" if page else ""


# --- TOR001 ----------------------------------------------------------------------------------------------------------


@check("TOR001", "The channel has this torch release", judge=True)
def torch_is_published(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Choose a channel that has the release, or a release that the channel has.

    PyTorch builds each release for a few CUDA versions only, and no channel gets new releases for ever: cu121 ends with
    2.5.1, cu124 with 2.6.0. The recorded page of a channel lists every wheel that it has; what came after the recording
    is unknown, unless the channel had ended before.

    Example: torch 2.7.1 is not on cu121; cu118, cu126, cu128 and cpu have it.

    Sources: the pages of the PyTorch wheel index, as recorded; PyTorch's release compatibility matrix.
    """
    channel, version = env.variant.channel, str(env.service.torch.version)
    if channel == "pypi":
        yield _on_pypi(version)
    elif facts.recorded(channel) is None:
        yield Unknown(message=f"the index of {channel} is not recorded", about="torch")
    elif Version(version) in builds.releases(channel, env.variant.platform):
        yield Ok(about="torch", evidence=f"torch {version} is listed on {channel}: {_page(channel)}")
    elif _came_later(env, version):
        page = facts.recorded(channel)
        message = (
            f"torch {version} is newer than the page of {channel} that was recorded on {page and page.date}"
        )
        yield Unknown(message=message, about="torch")
    else:
        yield _not_published(evidence, env)


def _on_pypi(version: str) -> Answer:
    row = facts.release(version)
    if row is None:
        return Unknown(message=f"torch {version} is not in the facts", about="torch")
    build = f"there the build of {row.pypi_local}" if row.pypi_local else "of a build that no fact tells"
    return Ok(about="torch", evidence=f"torch {version} is on PyPI, {build}: {row.source} ({row.date})")


def _came_later(env: Environment, version: str) -> bool:
    """Whether a release may have come after the recording: newer than all of a page that was not yet complete."""
    last, row = _last(env), facts.channel(env.variant.channel)
    if last is None or Version(version) <= last:
        return False
    if row is None or not row.ended:
        return True
    final = max(map(Version, row.series))
    return final.release > last.release[:2] and Version(version).release[:2] <= final.release


def _last(env: Environment) -> Version | None:
    return max(builds.releases(env.variant.channel, env.variant.platform), default=None)


def _not_published(evidence: Evidence, env: Environment) -> Answer:
    channel, version = env.variant.channel, str(env.service.torch.version)
    have, last = builds.channels_of(version, env.variant.platform), _last(env)
    where = f"it is on {', '.join(have)}" if have else "it is on no recorded channel"
    best = next(iter(_instead(evidence, env)), None)
    return finding(
        env,
        at(env.service, "torch.version") if not have else _channel_place(env),
        f"torch {version} is not published on {channel}, whose last release is {last}; {where}",
        remedy=_write(env, best) if best else "Choose a release that a recorded channel has for this Python.",
        about="torch",
        evidence=_page(channel),
        repair=_moves(env, best) if best else (),
    )


def _instead(evidence: Evidence, env: Environment) -> tuple[builds.Build, ...]:
    """The same release elsewhere before any other release here or there."""
    here = env.service.torch.version
    found = builds.builds(env, [name for name, _ in gpus_of(evidence, env)])
    return (*(one for one in found if one.version == here), *(one for one in found if one.version != here))


def _moves(env: Environment, best: builds.Build) -> tuple[Change, ...]:
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


def _write(env: Environment, best: builds.Build) -> str:
    version = (
        f' and torch\'s `version: "{best.version}"`' if best.version != env.service.torch.version else ""
    )
    lost = f" (no code there for {', '.join(best.lost)})" if best.lost else ""
    return f"Write `channel: {best.channel}`{version}{lost}."


# --- TOR002 ----------------------------------------------------------------------------------------------------------


@check("TOR002", "Each companion is the release's partner", judge=True)
def companions_are_partners(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write the companion's version that was released with this torch.

    torchvision and torchaudio are compiled against one release of torch and pin it exactly; another pair does not
    resolve, or replaces torch. Their numbers differ from torch's, and torchaudio ends with 2.11.

    Example: torch 2.5.1 goes with torchvision 0.20.1 and torchaudio 2.5.1, not with torchvision 0.20.0.

    Sources: METADATA of the companions' wheels; PyTorch's release compatibility matrix.
    """
    del evidence
    release = facts.release(str(env.service.torch.version))
    for name, version in env.service.torch.companions.items():
        partners = releases.partners(release, name)
        if release is None or partners is None:
            torch = env.service.torch.version
            yield Unknown(message=f"which {name} belongs to torch {torch} is not in the facts", about=name)
        elif str(version) in partners:
            said = f"{name} {version} belongs to torch {release.version}: {release.source} ({release.date})"
            yield Ok(about=name, evidence=said)
        else:
            yield _stranger(env, release, name, partners)


def _stranger(env: Environment, release: TorchRelease, name: str, partners: tuple[str, ...]) -> Answer:
    path, torch = f"torch.companions.{name}", release.version
    right = (
        f"its {name} is {' or '.join(partners)}"
        if partners
        else f"there is no {name} for it: it ends with 2.11"
    )
    write = f'Write `{name}: "{partners[-1]}"`.' if partners else f"Remove {name} from `companions`."
    return finding(
        env,
        at(env.service, path),
        f"{name} {env.service.torch.companions[name]} does not belong to torch {torch}; {right}",
        remedy=write,
        about=name,
        evidence=f"{release.source} ({release.date})",
        repair=(Change(path=path, value=partners[-1] if partners else None),),
        safe=len(partners) == 1,
    )


# --- TOR003 ----------------------------------------------------------------------------------------------------------


@check("TOR003", "There is a wheel for this Python, platform and C library", judge=True)
def wheels_fit(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Choose a Python that this release has a wheel for, or a release that has one for this Python and platform.

    A wheel's tags name one Python, one machine, and the oldest glibc that it runs on: manylinux_2_28 needs glibc 2.28,
    as Debian 10 and Ubuntu 18.10 have it; Alpine's musl is none. Torch has no source archive to fall back on.

    Example: torch 2.8.0 has wheels for Python 3.9 to 3.13; with Python 3.14 nothing installs.

    Sources: the file names on the recorded pages of the PyTorch index; the C libraries of the distributions.
    """
    del evidence
    for name, version in env.service.torch.family.items():
        yield from _wheel(env, name, str(version))


def _wheel(env: Environment, name: str, version: str) -> Iterator[Answer]:
    channel, python, platform = env.variant.channel, env.service.python, env.variant.platform
    short = f"{python.major}.{python.minor}"
    if channel == "pypi":
        yield from _pypi_wheel(env, name, version, short)
        return
    files = builds.listed(channel, name).get(Version(version))
    if not files:  # what is not there at all is for TOR001 to tell, or for TOR002
        yield Unknown(message=f"{name} {version} is not on the recorded page of {channel}", about=name)
        return
    fitting = builds.fitting(channel, name, version, python, platform)
    if fitting:
        yield from _glibc(env, name, fitting)
        return
    have = sorted(
        {
            tag.interpreter
            for tags in files.values()
            for tag in tags
            if tag.platform.endswith(environments.MACHINES[platform])
        },
        key=lambda interpreter: (len(interpreter), interpreter),  # cp39 before cp310
    )
    said = f"it has wheels there for {', '.join(have)}" if have else f"it has none for {platform} at all"
    yield finding(
        env,
        at(env.service, "python") if have else at(env.service, f"variants.{env.variant.name}.platform"),
        f"{name} {version} on {channel} has no wheel for Python {short} on {platform}; {said}",
        about=name,
        evidence=_page(channel),
    )


def _pypi_wheel(env: Environment, name: str, version: str, short: str) -> Iterator[Answer]:
    release = facts.release(version) if name == "torch" else None
    if release is None or env.variant.platform != "linux/amd64":
        yield Unknown(message=f"the wheels of {name} {version} on PyPI are not in the facts", about=name)
        return
    tag, source = f"cp{short.replace('.', '')}", f"{release.source} ({release.date})"
    if tag in release.wheel_pythons:
        yield Ok(about=name, evidence=f"torch {version} has a wheel for {tag} on PyPI: {source}")
    else:
        have = ", ".join(release.wheel_pythons)
        message = f"torch {version} on PyPI has no wheel for Python {short}; it has some for {have}"
        yield finding(env, at(env.service, "python"), message, about=name, evidence=source)


def _glibc(env: Environment, name: str, files: tuple[str, ...]) -> Iterator[Answer]:
    """Whether one of the files runs on the base's C library."""
    base, least = facts.base(env.base.image), min(map(_needs_glibc, files))
    if base is None or base.glibc is None:
        if least:
            message = f"the C library of {env.base.image} is not in the facts; {name} needs glibc 2.{least}"
            yield Unknown(message=message, about=name)
            return
        yield Ok(about=name, evidence=f"{files[0]} is listed: {_page(env.variant.channel)}")
    elif base.glibc == "musl" or int(base.glibc.partition(".")[2]) < least:
        own = "musl instead of glibc" if base.glibc == "musl" else f"glibc {base.glibc}"
        place = f"variants.{env.variant.name}.base.image" if env.variant.base else "base.image"
        message = f"{name}'s wheel needs glibc 2.{least or 17}; {env.base.image} has {own}"
        remedy = "Choose a base with a newer glibc, such as one of Debian 12 or Ubuntu 22.04."
        yield finding(
            env,
            at(env.service, place),
            message,
            remedy=remedy,
            about=name,
            evidence=f"{base.source} ({base.date})",
        )
    else:
        said = f"{files[0]} is listed ({_page(env.variant.channel)}), and {env.base.image} has glibc {base.glibc}"
        yield Ok(about=name, evidence=said)


def _needs_glibc(file: str) -> int:
    """The minor of the glibc that a wheel asks for; 0 where its tag says only linux."""
    platform = file.removesuffix(".whl").rpartition("-")[2]
    minors = [int(part.split("_")[2]) for part in platform.split(".") if part.startswith("manylinux_2_")]
    return min(minors, default=17 if "manylinux" in platform else 0)


# --- TOR004 ----------------------------------------------------------------------------------------------------------


@check("TOR004", "The channel is alive", judge=True)
def channel_is_alive(evidence: Evidence, env: Environment) -> Iterator[Answer]:
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
        living = [one.name for one in facts.channels() if not one.ended and one.cuda]
        series = max(row.series, key=Version, default="")
        yield finding(
            env,
            _channel_place(env),
            f"the channel {channel} is frozen: its last series is {series}; {', '.join(living)} get new releases",
            about=channel,
            evidence=f"{row.source} ({row.date})",
            level="warning",
        )
    else:
        yield Ok(about=channel, evidence=f"{channel} is in the current matrix: {row.source} ({row.date})")
