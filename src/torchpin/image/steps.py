"""The install steps of an image, one a group of packages, and of a local environment, one a layer of its lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description.environments import mirror_variable, origin_url, service_index
from torchpin.image.groups import package_groups
from torchpin.lock.export import wheel_release
from torchpin.lock.locations import address_folders

if TYPE_CHECKING:
    from torchpin.image.groups import Place
    from torchpin.model import Artifact, Environment, LayerLock, Lock

BELOW_APT: tuple[Place, ...] = ("torch", "libraries", "family")
IN_CONTEXT = ("repository", "git")  # origins of files that a build context has


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallStep:
    """One install step of an image: a requirements file, from one origin, with its `artifacts`.

    `place` is that of its group (`torchpin.image.groups`): steps in `BELOW_APT` come before system packages.

    `index` is the address of a channel, None for PyPI; `release` is that of an ABI wheel's release. `mirror` is the
    variable that replaces the address; `builds` is whether a package is built from source. `own_index`: the index is one of
    the description. `addresses`: the package, the variable and the folder of each file at an address; `packages`: whether
    files of the build context are installed.
    """

    file: str
    origin: str
    index: str | None
    mirror: str
    optional: bool
    builds: bool
    release: str | None = None
    own_index: bool = False
    addresses: tuple[tuple[str, str, str], ...] = ()
    packages: bool = False
    place: Place = "ordered"
    artifacts: tuple[Artifact, ...] = field(default=(), repr=False)


def install_steps(env: Environment, lock: Lock) -> tuple[InstallStep, ...]:
    """The install steps of an environment's image, one a group of packages; those of the place `torch` are one layer."""
    return tuple(install_step(env, group.layer, group.place) for group in package_groups(lock))


def step_sizes(env: Environment, lock: Lock) -> dict[str, int]:
    """The bytes that each step of a build downloads, by the step's title; torch's has those of its libraries, too."""
    titles: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for step in install_steps(env, lock):
        place = step.place if step.place == "torch" else step.file
        title = titles.setdefault(place, f"layer {paths.lock_part(step.file)}")
        sizes[title] = sizes.get(title, 0) + sum(package.size or 0 for package in step.artifacts)
    return sizes


def layer_steps(env: Environment, lock: Lock) -> tuple[InstallStep, ...]:
    """The install steps of an environment on this machine, one a layer of the lock, without empty ones."""
    return tuple(install_step(env, layer) for layer in lock.layers if layer.packages)


def install_step(env: Environment, layer: LayerLock, place: Place = "ordered") -> InstallStep:
    """The install step of a layer of an environment's lock, or of a part of it."""
    folders = address_folders(env)
    return InstallStep(
        file=layer.file,
        origin=layer.origin,
        index=origin_url(env, layer.origin),
        release=wheel_release(layer),
        mirror=mirror_variable(layer.origin),
        optional=layer.optional,
        builds=any(package.is_source for package in layer.packages),
        own_index=service_index(env, layer.origin) is not None,
        addresses=tuple(
            (package.name, mirror_variable(package.name), folders[package.name])
            for package in layer.packages
            if package.origin == "address" and package.name in folders
        ),
        packages=any(package.origin in IN_CONTEXT for package in layer.packages),
        place=place,
        artifacts=layer.packages,
    )
