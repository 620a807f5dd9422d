"""Selecting wheels: the best file for a Python and platform, and the wheels with an ABI in their file name."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin import facts
from torchpin.compat.pins import pinned_version
from torchpin.description.environments import GLIBC_MINOR, MACHINES, MIN_MACOS
from torchpin.errors import InputError
from torchpin.model import Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement
    from packaging.tags import Tag
    from packaging.utils import BuildTag
    from packaging.version import Version

    from torchpin.facts import Wheel
    from torchpin.model import Artifact, Environment, Layer


@cache
def _tag_ranks(python: str, platform: str) -> Mapping[Tag, int]:
    """The tags that fit a Python and a platform, each with its rank; 0 is the most specific, as installers prefer it."""
    major, minor = (int(part) for part in python.split(".")[:2])
    machine = MACHINES[platform]
    # The older names of manylinux_2_17, 2_12 and 2_5 (PEP 600); before 2_5 there is no manylinux tag.
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
    # Reversed, so that a tag that occurs twice keeps its better rank.
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


@lru_cache(maxsize=20_000)  # as below
def supports(filename: str, python: Version, platform: str) -> bool:
    """Whether a file can be installed on a Python and platform, alone: a source always, a wheel by its tags."""
    if not filename.endswith(".whl"):
        return True
    ranks = _tag_ranks(f"{python.major}.{python.minor}", platform)
    return any(tag in ranks for tag in _build_and_tags(filename)[1])


def best_wheel(files: Iterable[Artifact], python: Version, platform: str) -> Artifact | None:
    """The file that an installer would select for a Python and platform: the best wheel, else the source, else None."""
    ranks = _tag_ranks(f"{python.major}.{python.minor}", platform)
    wheels, sources = [], []
    for file in files:
        if file.is_source:
            sources.append(file)
            continue
        build, tags = _build_and_tags(file.filename)
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            wheels.append((-rank, build, file))
    if wheels:
        return max(wheels, key=lambda row: row[:2])[2]
    return min(sources, key=lambda file: not file.filename.endswith(".tar.gz"), default=None)


@lru_cache(
    maxsize=20_000
)  # several checks ask for each file of a lock, and variants and services have many in common
def _build_and_tags(filename: str) -> tuple[BuildTag, frozenset[Tag]]:
    """The build number of a wheel's file name and its tags; no tags for a name that is none."""
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return (), frozenset()  # old indexes list some; no current installer accepts them
    return build, tags


def installed_python(env: Environment) -> str:
    """The Python that wheels are installed for: that of the base image where it provides torch, else the described one."""
    base = facts.base_image(env.base.image) if env.service.torch.origin == "base" else None
    return base.python if base and base.python else str(env.service.python)


def abi_pin(layer: Layer) -> Requirement | None:
    """The pin of a layer whose wheel has an ABI in its file name, which torchpin selects itself; None: it has no such pin.

    A description that names an index or a file of its own for such a package selects it.
    Raises InputError where the layer has other pins too: such a wheel comes from a release page, not from an index.
    """
    abi_packages = [
        package
        for package in layer.packages
        if canonicalize_name(package.name) in facts.abi_packages()
        and not layer.index
        and not (isinstance(package, Package) and package.file)
    ]
    if abi_packages and len(layer.packages) > 1:
        raise InputError(
            f"layer {layer.name} has other packages than {abi_packages[0].name}, whose wheel is not from an index; "
            f"give {abi_packages[0].name} a layer of its own"
        )
    return abi_packages[0] if abi_packages else None


def abi_wheels(env: Environment) -> dict[str, Wheel]:
    """The wheels with an ABI in their file name that an environment's pins select, by normalized name.

    Raises InputError, with the position of the pin and the reason, where none fits.
    """
    wheels: dict[str, Wheel] = {}
    paths = {id(package): path for path, _, package in env.declared_packages}
    for layer in env.layers:
        pin = abi_pin(layer)
        if pin is None:
            continue
        wheel = facts.find_wheel(
            canonicalize_name(pin.name),
            pinned_version(pin),
            python=str(env.service.python),
            torch=str(env.service.torch.version),
            channel=env.variant.channel,
            machine=MACHINES[env.variant.platform],
        )
        if isinstance(wheel, facts.NoWheel):
            location = env.service.location(paths[id(pin)])
            raise InputError(f"{location}: {pin}: {wheel}")
        wheels[canonicalize_name(pin.name)] = wheel
    return wheels
