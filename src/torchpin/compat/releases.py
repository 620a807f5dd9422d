"""The torch releases that an environment could move to: their channels, companions, GPUs and wheels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.pins import declared_pins
from torchpin.compat.publication import publication, wheel_fit
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import MACHINES, cuda_version, with_build
from torchpin.errors import InputError
from torchpin.facts.versions import is_later, is_version

if TYPE_CHECKING:
    from torchpin.facts import Channel, TorchRelease
    from torchpin.model import Environment


def newer_releases(env: Environment) -> tuple[TorchRelease, ...]:
    """The releases in the facts that are later than the described one."""
    return tuple(
        release for release in facts.releases() if is_later(release.version, str(env.service.torch.version))
    )


def supports_python(env: Environment, release: TorchRelease) -> bool:
    """Whether a release has wheels for an environment's Python and accepts its patch version."""
    python = env.service.python
    tag = f"cp{python.major}{python.minor}"
    full = f"{python.major}.{python.minor}.{python.micro}"
    return tag in release.wheel_pythons and SpecifierSet(release.requires_python).contains(full)


def serving_channels(env: Environment, release: TorchRelease) -> tuple[str, ...]:
    """The channels that have a release for an environment's Python and platform; CUDA channels for CUDA, CPU for CPU."""
    if env.variant.channel == "pypi":
        return ("pypi",)
    has_cuda = cuda_version(env) is not None
    rows = [row for row in facts.channels() if row.name != "pypi" and (row.cuda is not None) == has_cuda]
    return tuple(row.name for row in rows if _serves(row, env, release.version))


def _serves(channel: Channel, env: Environment, version: str) -> bool:
    platform = env.variant.platform
    if publication(channel.name, Version(version), platform).status != "published":
        return False
    return wheel_fit(channel.name, "torch", version, env.service.python, platform).status == "fits"


def is_from_matrix_only(channel: str, version: str) -> bool:
    """Whether a release is known from the release matrix only, since the index snapshot is older or does not exist."""
    return publication(channel, Version(version), "linux/amd64").grade == "release matrix"


def unrecorded_channels(env: Environment, version: str) -> tuple[str, ...]:
    """The channels of a release that are known from the release matrix only."""
    release = facts.release(version)
    if release is None or not supports_python(env, release):
        return ()
    return tuple(name for name in serving_channels(env, release) if is_from_matrix_only(name, version))


def partner_versions(env: Environment, version: str) -> dict[str, str]:
    """The declared packages that go with some releases of torch only, each at its version for a release: the present one, or the best.

    Companions first. "" where no version is known to go with it; packages whose present version the facts do not have, and
    for which they know no better, are left out.
    """
    torch, pins = Version(version), declared_pins(env)
    companions = env.service.torch.companions
    versions: dict[str, str] = {}
    for name in (*companions, *pins):
        current = companions.get(name) or pins[name].version
        best = partners.best_choice(name, torch, current)
        if best:
            versions[name] = str(best.version)
        elif name in companions or partners.partner_row(name, current):
            versions[name] = ""
    return versions


def family_versions(env: Environment, version: str) -> dict[str, str]:
    """The partners, each at its version for a release, "" where none is known; and triton, where the release pins one."""
    release = facts.release(version)
    triton = release.triton if release and is_version(release.triton or "") else None
    return partner_versions(env, version) | ({"triton": triton} if triton else {})


def gpu_changes(
    env: Environment, version: str, channel_names: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Messages for the described GPUs that a release on other channels no longer runs on, and for those that it newly runs on."""
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
    """Whether a build has code for each of the described GPUs; GPUs without facts are left out."""
    archs = facts.compiled_archs(version, channel, MACHINES[env.variant.platform])
    rows = {name: facts.gpu(name) for name in env.service.gpus}
    return {
        name: facts.runs_on(archs, gpu.capability)
        for name, gpu in rows.items()
        if archs is not None and gpu is not None and gpu.capability
    }


def missing_abi_wheels(env: Environment, version: str, channel_names: tuple[str, ...]) -> list[str]:
    """Messages for the pins with an ABI in their wheel's name that have no wheel for a release, with the channels."""
    channels_by_pin: dict[str, list[str]] = {}
    for channel in channel_names:
        try:
            abi_wheels(with_build(env, Version(version), channel))
        except InputError as error:
            channels_by_pin.setdefault(_pin_in_message(str(error)), []).append(channel)
    return [f"{pin} has no wheel for {', '.join(names)}" for pin, names in channels_by_pin.items()]


def _pin_in_message(message: str) -> str:
    match = re.search(r"[\w.-]+==[\w.]+", message)
    return match[0] if match else message
