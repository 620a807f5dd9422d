"""The versions that an environment is pinned to: from an up-to-date lock, else from the description and the facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.description.environments import MACHINES, torch_build
from torchpin.facts.versions import parse_version
from torchpin.memory import remembered
from torchpin.model import Package
from torchpin.paths import lock_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.requirements import Requirement

    from torchpin.model import Environment, Layer, Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A package at its version. `path`: the key path of its pin in the description, "" where the description has none."""

    name: str
    version: Version
    location: str
    path: str = ""
    extras: frozenset[str] = frozenset()
    known_from: str = ""  # where the version is known from, if not from a lock or the description


def pinned_version(requirement: Requirement) -> str:
    """The version of an exact pin, which has one clause, ==: a description has no other requirements."""
    return next(iter(requirement.specifier)).version


def extras_text(extras: Collection[str]) -> str:
    """The extras of a requirement as they are written: `[cli,torch]`; empty for none."""
    return f"[{','.join(sorted(extras))}]" if extras else ""


def declared_names(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The normalized names of the packages that layers declare, in their order."""
    return tuple(canonicalize_name(package.name) for layer in layers for package in layer.packages)


@remembered
def file_packages(env: Environment) -> Mapping[str, Package]:
    """The packages that are in no index, but come from an address, the repository or git, by normalized name."""
    return {
        canonicalize_name(package.name): package
        for _, _, package in env.declared_packages
        if isinstance(package, Package) and package.file
    }


@remembered
def index_packages(env: Environment) -> Mapping[str, str]:
    """The index of each package that a layer takes from an index of the description, by normalized name."""
    return {
        canonicalize_name(package.name): layer.index
        for _, layer, package in env.declared_packages
        if layer.index
    }


@remembered
def list_pins(env: Environment, lock: Lock | None) -> Mapping[str, Pin]:
    """Every package whose version is known, by normalized name; without a lock, indirect dependencies are missing."""
    declared = {**declared_pins(env), **_family_pins(env)}
    if lock is None:
        return _bundled_pins(env) | declared
    layers = ((lock.provided,) if lock.provided else ()) + lock.layers
    locked = {
        package.name: Pin(name=package.name, version=parse_version(package.version), location=location)
        for layer, location in ((layer, lock_path(env.name, layer.file)) for layer in layers)
        for package in layer.packages
    }
    # Declared pins win: the line in the description is the one to change.
    return locked | declared


@remembered
def declared_pins(env: Environment) -> Mapping[str, Pin]:
    """The packages that the layers of a description declare, by normalized name."""
    pins: dict[str, Pin] = {}
    for path, _, package in env.declared_packages:
        name = canonicalize_name(package.name)
        pins[name] = Pin(
            name=name,
            version=parse_version(pinned_version(package)),
            location=env.service.location(path),
            path=path,
            extras=frozenset(package.extras),
        )
    return pins


def _family_pins(env: Environment) -> dict[str, Pin]:
    service = env.service
    paths = {"torch": "torch.version"} | {
        name: f"torch.companions.{name}" for name in service.torch.companions
    }
    return {
        name: Pin(name=name, version=version, location=env.service.location(paths[name]), path=paths[name])
        for name, version in service.torch.family.items()
    }


def _bundled_pins(env: Environment) -> dict[str, Pin]:
    """The triton that a torch release pins, and the cuDNN of its build; CPU builds have neither."""
    torch = env.service.torch.version
    release = facts.release(str(torch))
    if release is None or torch_build(env) in {"cpu", None}:
        return {}
    versions = {"triton": release.triton, "cudnn": cudnn_version(env)}
    bundled_pins: dict[str, Pin] = {}
    for name, version in versions.items():
        try:
            bundled_pins[name] = Pin(
                name=name,
                version=Version(version or ""),
                location=env.service.location("torch.version"),
                known_from=f"pinned by torch {torch} ({release.source})",
            )
        except InvalidVersion:
            continue  # the release pins none, or a range
    return bundled_pins


@remembered
def torch_metadata(env: Environment) -> tuple[facts.Metadata, ...]:
    """The recorded metadata of the wheels of an environment's torch build."""
    key = ("torch", torch_build(env), str(env.service.torch.version))
    return tuple(
        row for row in facts.metadata() if (row.package, row.channel, row.version.partition("+")[0]) == key
    )


def cudnn_version(env: Environment) -> str | None:
    """The cuDNN that a torch build pins, by the recorded metadata or by the row of its release; None: not in the facts."""
    build, version = torch_build(env), str(env.service.torch.version)
    machine = MACHINES[env.variant.platform]
    # The metadata of the channel's own wheel first; the row of a release is about PyPI's wheel.
    for row in torch_metadata(env):
        requirements = [
            requirement for requirement in row.requires_dist if requirement.startswith("nvidia-cudnn-")
        ]
        if requirements and machine == "x86_64":
            return requirements[0].partition(";")[0].partition("==")[2].strip() or None
    release = facts.release(version)
    return release.cudnn if release and machine == "x86_64" and release.pypi_local == build else None
