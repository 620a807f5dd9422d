"""The packages whose version is chosen against what other packages require, and what these require."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.compat.pins import pinned_version

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock, Override


def overrides(env: Environment) -> dict[str, Override]:
    """The overrides of an environment by normalized name."""
    return {canonicalize_name(override.package.name): override for override in env.service.overrides}


def overridden_version(override: Override) -> Version:
    return Version(pinned_version(override.package))


def requirements_on(lock: Lock, name: str) -> tuple[tuple[str, Requirement], ...]:
    """What locked wheels require of an overridden package: the wheel as `torch 2.9.1+cu128`, and its requirement."""
    packages = lock.all_packages
    lines = (
        (wheel, Requirement(line))
        for wheel in lock.wheels
        if wheel.name in packages
        for line in wheel.requires
    )
    return tuple(
        (f"{wheel.name} {wheel.version}", requirement)
        for wheel, requirement in lines
        if canonicalize_name(requirement.name) == name and requirement.marker is None
    )


def unread_requirers(env: Environment, lock: Lock) -> frozenset[str]:
    """The packages that require an overridden one, and of which the lock does not have what they require of it."""
    packages = lock.all_packages
    unread: set[str] = set()
    for name in overrides(env).keys() & packages.keys():
        read_requirers = {wheel.rpartition(" ")[0] for wheel, _ in requirements_on(lock, name)}
        unread |= ({*packages[name].required_by} & packages.keys()) - read_requirers
    return frozenset(unread)
