"""Soft floors: what an installed package needs of another, and no resolver is told (or is told too late)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import pins as compat_pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Environment, Lock


@cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One floor of an environment: whose it is, of what, whether it holds, and what is there.

    `holds` None: nothing tells, since `needed` is not pinned and there is no lock.
    """

    package: str
    needed: str
    floor: facts.Floor
    holds: bool | None
    found: str


def standings(env: Environment, lock: Lock | None, *, seen: bool = False) -> tuple[Standing, ...]:
    """Every floor of what is known of an environment, in the facts' order; `seen`: those of the metadata too."""
    pins = compat_pins.pins(env, lock)
    versions = (
        {name: pin.version for name, pin in pins.items()}
        if lock is None
        else {name: Version(package.version) for name, package in lock.all.items()}
    )
    found = []
    for floor in facts.floors():
        when = _requirement(floor.when)
        name = canonicalize_name(when.name)
        pin = pins.get(name)
        extras = pin.extras if pin else frozenset()
        if (floor.seen and not seen) or name not in versions or not when.extras <= extras:
            continue
        if when.specifier.contains(versions[name], prereleases=True) and _counts(when, env):
            found.append(_standing(floor, name, versions, told=lock is not None))
    return tuple(found)


def seen(env: Environment, package: str, version: Version) -> tuple[str, ...]:
    """The requirements of a package's own metadata that facts know, as far as they count in an environment."""
    own = ((_requirement(one.when), one.needs) for one in facts.floors() if one.seen)
    return tuple(
        needs
        for when, needs in own
        if canonicalize_name(when.name) == package
        and when.specifier.contains(version, prereleases=True)
        and _counts(when, env)
    )


def _counts(when: Requirement, env: Environment) -> bool:
    python = f"{env.service.python.major}.{env.service.python.minor}"
    return when.marker is None or when.marker.evaluate({"python_version": python, "extra": ""})


def _standing(floor: facts.Floor, name: str, versions: Mapping[str, Version], *, told: bool) -> Standing:
    needs = _requirement(floor.needs)
    needed = canonicalize_name(needs.name)
    there = versions.get(needed)
    absent = "is not installed" if told else "is not pinned"
    return Standing(
        package=name,
        needed=needed,
        floor=floor,
        holds=needs.specifier.contains(there, prereleases=True) if there else False if told else None,
        found=f"{needed} {there}" if there else f"{needed} {absent}",
    )


def concerns(floor: facts.Floor, gpu: facts.Gpu | None) -> bool:
    """Whether a floor matters on a card: one without a capability always does."""
    if floor.capability is None:
        return True
    return bool(gpu and gpu.capability) and Version(str(gpu and gpu.capability)) >= Version(floor.capability)


def instead(floor: facts.Floor, torch: Version, gpus: Iterable[str] = ()) -> Requirement | None:
    """The pin that ends a floor: the recorded one, or the highest of the package that pins this very torch.

    Where that pin has a floor of its own on one of the cards, what ends that one too.
    """
    if not floor.instead:
        return _sibling(floor, torch)
    pin, cards = Requirement(floor.instead), [facts.gpu(name) for name in gpus]
    for other in facts.floors():
        when = _requirement(other.when)
        own = when.name == pin.name and when.specifier.contains(next(iter(pin.specifier)).version)
        if own and other.instead and other.capability and any(concerns(other, card) for card in cards):
            return Requirement(other.instead)
    return pin


def _sibling(floor: facts.Floor, torch: Version) -> Requirement | None:
    name = _requirement(floor.when).name
    public = Version(torch.public)
    fitting = [
        when
        for when, needs in (
            (_requirement(row.when), _requirement(row.needs)) for row in facts.floors() if row.seen
        )
        if when.name == name and str(when.specifier).startswith("==") and "*" not in str(when.specifier)
        if str(needs) == f"torch=={public}"
    ]
    return max(fitting, key=lambda when: Version(next(iter(when.specifier)).version), default=None)
