"""Soft floors: what an installed package needs of another, and no resolver is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One soft floor of an environment: whose it is, whether it holds, and what is there instead where it does not."""

    package: str
    floor: facts.Floor
    holds: bool
    found: str


def standings(env: Environment, lock: Lock) -> tuple[Standing, ...]:
    """Every floor of what an environment holds that the packages' own metadata does not tell, in the facts' order."""
    declared = {
        canonicalize_name(package.name): package.extras
        for layer in env.service.layers
        for package in layer.packages
    }
    versions = {name: Version(package.version) for name, package in lock.all.items()}
    found = []
    for floor in facts.floors():
        when, needs = Requirement(floor.when), Requirement(floor.needs)
        name, other = canonicalize_name(when.name), canonicalize_name(needs.name)
        if floor.seen or name not in versions or not when.extras <= declared.get(name, set()):
            continue
        if when.specifier.contains(versions[name], prereleases=True):
            there = versions.get(other)
            holds = there is not None and needs.specifier.contains(there, prereleases=True)
            told = f"{other} {there}" if there else f"{other} is not installed"
            found.append(Standing(package=name, floor=floor, holds=holds, found=told))
    return tuple(found)


def concerns(floor: facts.Floor, gpu: facts.Gpu | None) -> bool:
    """Whether a floor matters on a card: one without a capability always does."""
    if floor.capability is None:
        return True
    return bool(gpu and gpu.capability) and Version(str(gpu and gpu.capability)) >= Version(floor.capability)
