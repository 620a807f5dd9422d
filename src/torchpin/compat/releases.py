"""The torch releases that an environment could have: who serves them, what comes with them, what they run on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat.builds import fitting_files
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import MACHINES, cuda_version
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.facts import Channel, TorchRelease
    from torchpin.model import Environment


def newer_releases(env: Environment) -> tuple[TorchRelease, ...]:
    """The known releases after the described one."""
    return tuple(
        release for release in facts.releases() if is_later(release.version, str(env.service.torch.version))
    )


def supports_python(env: Environment, release: TorchRelease) -> bool:
    python = env.service.python
    tag = f"cp{python.major}{python.minor}"
    full = f"{python.major}.{python.minor}.{python.micro}"
    return tag in release.wheel_pythons and SpecifierSet(release.requires_python).contains(full)


def serving_channels(env: Environment, release: TorchRelease) -> tuple[str, ...]:
    """The channels that serve a release for an environment's Python and platform; CUDA for CUDA, CPU for CPU."""
    if env.variant.channel == "pypi":
        return ("pypi",)
    wants_cuda = cuda_version(env) is not None
    rows = [row for row in facts.channels() if row.name != "pypi" and (row.cuda is not None) == wants_cuda]
    return tuple(row.name for row in rows if _serves(row, env, release.version))


def _serves(channel: Channel, env: Environment, version: str) -> bool:
    if series(version) not in channel.series:
        return False
    if facts.index_snapshot(channel.name) is None or is_from_matrix_only(channel.name, version):
        return True
    return bool(fitting_files(channel.name, "torch", version, env.service.python, env.variant.platform))


def is_from_matrix_only(channel: str, version: str) -> bool:
    """Whether the matrix alone tells of a release: the recorded page is older, or there is none."""
    row = facts.channel(channel)
    return row is not None and row.name != "pypi" and (row.last is None or is_later(version, row.last))


def unrecorded_channels(env: Environment, version: str) -> tuple[str, ...]:
    """The channels that serve a release by the matrix alone, which may lack a wheel that no page could show."""
    release = facts.release(version)
    if release is None or not supports_python(env, release):
        return ()
    return tuple(name for name in serving_channels(env, release) if is_from_matrix_only(name, version))


def companion_choices(release: TorchRelease | None, name: str) -> tuple[str, ...] | None:
    """The versions of a companion that belong to a release; none where it has ended, None where no fact tells."""
    companion_versions = (
        {"torchvision": release.torchvision, "torchaudio": release.torchaudio} if release else {}
    )
    if name not in companion_versions or release is None:
        return None
    ended = name == "torchaudio" and Version(release.version) >= Version("2.12")
    return companion_versions[name] or (() if ended else None)


def family_versions(env: Environment, version: str) -> dict[str, str]:
    """What moves with torch, each at its version for a release, "" where there is none; triton where it is known."""
    release = facts.release(version)
    companion_versions = (
        {"torchvision": release.torchvision, "torchaudio": release.torchaudio} if release else {}
    )
    versions = {
        name: (companion_versions[name] or ("",))[-1]
        for name in env.service.torch.companions
        if name in companion_versions
    }
    triton = release.triton if release and is_version(release.triton or "") else None
    return versions | ({"triton": triton} if triton else {})


def gpu_changes(
    env: Environment, version: str, channel_names: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """The described GPUs that a release loses, and those that it gains, each with the channels."""
    current_runs = _gpu_support(env, str(env.service.torch.version), env.variant.channel)
    lost, gained = [], []
    new_runs = {name: _gpu_support(env, version, name) for name in channel_names}
    for gpu in env.service.gpus:
        without = [name for name, runs in new_runs.items() if runs.get(gpu) is False]
        within = [name for name, runs in new_runs.items() if runs.get(gpu)]
        if current_runs.get(gpu) and without:
            lost.append(f"{gpu} does not run on {', '.join(without)}")
        elif current_runs.get(gpu) is False and within:
            gained.append(f"{gpu} runs on {', '.join(within)}")
    return lost, gained


def _gpu_support(env: Environment, version: str, channel: str) -> dict[str, bool]:
    """Which of the described GPUs a build has code for, of those that facts tell of."""
    archs = facts.compiled_archs(version, channel, MACHINES[env.variant.platform])
    rows = {name: facts.gpu(name) for name in env.service.gpus}
    return {
        name: facts.runs_on(archs, gpu.capability)
        for name, gpu in rows.items()
        if archs is not None and gpu is not None and gpu.capability
    }


def missing_abi_wheels(env: Environment, version: str, channel_names: tuple[str, ...]) -> list[str]:
    """The channels on which a wheel with an ABI in its name is lacking."""
    lacking: dict[str, list[str]] = {}
    for channel in channel_names:
        torch = replace(env.service.torch, version=Version(version))
        variant = replace(env.variant, channel=channel)
        try:
            abi_wheels(replace(env, service=replace(env.service, torch=torch), variant=variant))
        except InputError as error:
            lacking.setdefault(_pin_in_message(str(error)), []).append(channel)
    return [f"there is no wheel of {pin} for {', '.join(names)}" for pin, names in lacking.items()]


def _pin_in_message(message: str) -> str:
    match = re.search(r"[\w.-]+==[\w.]+", message)
    return match[0] if match else message


def is_later(version: str, than: str) -> bool:
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
