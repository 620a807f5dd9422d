"""Wheels and what they fit: the best file for a platform, the wheels with an ABI in their name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin import facts
from torchpin.description.environments import GLIBC_MINOR, MACHINES, MIN_MACOS
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement
    from packaging.tags import Tag
    from packaging.version import Version

    from torchpin.facts import Wheel
    from torchpin.model import Artifact, Environment, Layer


@cache
def _tag_ranks(python: str, platform: str) -> Mapping[Tag, int]:
    major, minor = (int(part) for part in python.split(".")[:2])
    machine = MACHINES[platform]
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    if platform.startswith("macos"):
        platforms = list(mac_platforms(MIN_MACOS, machine))
    else:
        platforms = []
        for glibc in range(GLIBC_MINOR, 4, -1):
            old = [f"{legacy[glibc]}_{machine}"] if glibc in legacy else []
            platforms += [f"manylinux_2_{glibc}_{machine}", *old]
        platforms.append(f"linux_{machine}")
    tags = [*cpython_tags((major, minor), platforms=platforms)]
    tags += compatible_tags((major, minor), f"cp{major}{minor}", platforms)
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def best_wheel(files: Iterable[Artifact], python: Version, platform: str) -> Artifact | None:
    """The one artifact for this Python and platform: the best wheel by its tags, else the source, else None."""
    ranks = _tag_ranks(f"{python.major}.{python.minor}", platform)
    wheels, sources = [], []
    for file in files:
        if file.is_source:
            sources.append(file)
            continue
        try:
            _, _, build, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            continue  # old indexes list some; none of them can be installed by today's tools
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            wheels.append((-rank, build, file))
    if wheels:
        return max(wheels, key=lambda row: row[:2])[2]
    return min(sources, key=lambda file: not file.filename.endswith(".tar.gz"), default=None)


def abi_pin(layer: Layer) -> Requirement | None:
    """The pin of a layer that is a wheel with an ABI in its name, which torchpin chooses by itself."""
    abi_packages = [
        package for package in layer.packages if canonicalize_name(package.name) in facts.abi_packages()
    ]
    if abi_packages and len(layer.packages) > 1:
        raise InputError(
            f"The layer {layer.name} holds {abi_packages[0].name}, a wheel of its own origin: give it a layer of its own."
        )
    return abi_packages[0] if abi_packages else None


def abi_wheels(env: Environment) -> dict[str, Wheel]:
    """The exact files of an environment's wheels with an ABI in their name, by package.

    Raises InputError with the pin's place and the facts' own sentence where none fits.
    """
    wheels: dict[str, Wheel] = {}
    for number, layer in enumerate(env.service.layers):
        pin = abi_pin(layer)
        if pin is None:
            continue
        wheel = facts.find_wheel(
            canonicalize_name(pin.name),
            next(iter(pin.specifier)).version,
            python=str(env.service.python),
            torch=str(env.service.torch.version),
            channel=env.variant.channel,
            machine=MACHINES[env.variant.platform],
        )
        if isinstance(wheel, facts.NoWheel):
            position = env.service.positions.get(f"layers[{number}].packages[0]") or env.service.file
            raise InputError(f"{position}: {pin}: {wheel}")
        wheels[canonicalize_name(pin.name)] = wheel
    return wheels
