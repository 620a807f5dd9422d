"""The torch releases that an environment could have: who serves them, what comes with them, what they run on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat import builds, wheels
from torchpin.description import environments
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.facts import Channel, TorchRelease
    from torchpin.model import Environment


def newer(env: Environment) -> tuple[TorchRelease, ...]:
    """The known releases after the described one."""
    return tuple(one for one in facts.releases() if later(one.version, str(env.service.torch.version)))


def fits(env: Environment, release: TorchRelease) -> bool:
    python = env.service.python
    tag = f"cp{python.major}{python.minor}"
    full = f"{python.major}.{python.minor}.{python.micro}"
    return tag in release.wheel_pythons and SpecifierSet(release.requires_python).contains(full)


def channels(env: Environment, release: TorchRelease) -> tuple[str, ...]:
    """The channels that serve a release for an environment's Python and platform; CUDA for CUDA, CPU for CPU."""
    if env.variant.channel == "pypi":
        return ("pypi",)
    wants_cuda = environments.cuda(env) is not None
    rows = [row for row in facts.channels() if row.name != "pypi" and (row.cuda is not None) == wants_cuda]
    return tuple(row.name for row in rows if _serves(row, env, release.version))


def _serves(channel: Channel, env: Environment, version: str) -> bool:
    if series(version) not in channel.series:
        return False
    if facts.recorded(channel.name) is None or by_matrix(channel.name, version):
        return True
    return bool(builds.fitting(channel.name, "torch", version, env.service.python, env.variant.platform))


def by_matrix(channel: str, version: str) -> bool:
    """Whether the matrix alone tells of a release: the recorded page is older, or there is none."""
    row = facts.channel(channel)
    return row is not None and row.name != "pypi" and (row.last is None or later(version, row.last))


def unrecorded(env: Environment, version: str) -> tuple[str, ...]:
    """The channels that serve a release by the matrix alone, which may lack a wheel that no page could show."""
    release = facts.release(version)
    if release is None or not fits(env, release):
        return ()
    return tuple(name for name in channels(env, release) if by_matrix(name, version))


def partners(release: TorchRelease | None, name: str) -> tuple[str, ...] | None:
    """The versions of a companion that belong to a release; none where it has ended, None where no fact tells."""
    known = {"torchvision": release.torchvision, "torchaudio": release.torchaudio} if release else {}
    if name not in known or release is None:
        return None
    ended = name == "torchaudio" and Version(release.version) >= Version("2.12")
    return known[name] or (() if ended else None)


def family(env: Environment, version: str) -> dict[str, str]:
    """What moves with torch, each at its version for a release, "" where there is none; triton where it is known."""
    release = facts.release(version)
    known = {"torchvision": release.torchvision, "torchaudio": release.torchaudio} if release else {}
    family = {name: (known[name] or ("",))[-1] for name in env.service.torch.companions if name in known}
    triton = release.triton if release and is_version(release.triton or "") else None
    return family | ({"triton": triton} if triton else {})


def cards(env: Environment, version: str, channels: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The described GPUs that a release loses, and those that it gains, each with the channels."""
    now = _runs(env, str(env.service.torch.version), env.variant.channel)
    lost, gained = [], []
    then = {name: _runs(env, version, name) for name in channels}
    for card in env.service.gpus:
        without = [name for name, one in then.items() if one.get(card) is False]
        within = [name for name, one in then.items() if one.get(card)]
        if now.get(card) and without:
            lost.append(f"{card} does not run on {', '.join(without)}")
        elif now.get(card) is False and within:
            gained.append(f"{card} runs on {', '.join(within)}")
    return lost, gained


def _runs(env: Environment, version: str, channel: str) -> dict[str, bool]:
    """Which of the described GPUs a build has code for, of those that facts tell of."""
    archs = facts.compiled(version, channel, environments.MACHINES[env.variant.platform])
    rows = {name: facts.gpu(name) for name in env.service.gpus}
    return {
        name: facts.runs_on(archs, card.capability)
        for name, card in rows.items()
        if archs is not None and card is not None and card.capability
    }


def without_wheels(env: Environment, version: str, channels: tuple[str, ...]) -> list[str]:
    """The channels on which a wheel with an ABI in its name is lacking."""
    lacking: dict[str, list[str]] = {}
    for channel in channels:
        torch = replace(env.service.torch, version=Version(version))
        variant = replace(env.variant, channel=channel)
        try:
            wheels.abi_wheels(replace(env, service=replace(env.service, torch=torch), variant=variant))
        except InputError as error:
            lacking.setdefault(_pin(str(error)), []).append(channel)
    return [f"there is no wheel of {pin} for {', '.join(names)}" for pin, names in lacking.items()]


def _pin(said: str) -> str:
    found = re.search(r"[\w.-]+==[\w.]+", said)
    return found[0] if found else said


def later(version: str, than: str) -> bool:
    return is_version(version) and is_version(than) and Version(version) > Version(than)


def is_version(text: str) -> bool:
    """Not a range, and not the name of a build."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def series(version: str) -> str:
    return ".".join(version.split(".")[:2])
