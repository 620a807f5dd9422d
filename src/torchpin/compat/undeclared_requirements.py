"""Undeclared requirements: what a package requires of another though its metadata does not say so, or only in an extra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.pins import list_pins, pinned_version
from torchpin.facts.versions import parse_version
from torchpin.memory import remembered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.version import Version

    from torchpin.compat.pins import Pin
    from torchpin.model import Environment, Lock


@cache
def _requirement(text: str) -> Requirement:
    """The parsed requirement; cached, since every row is compared with every environment."""
    return Requirement(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementStatus:
    """An undeclared requirement of an environment's package, and whether it is satisfied.

    `satisfied` None: unknown, since `required` is not pinned and there is no lock. `installed`: a clause such as
    `torch 2.5.1` or `accelerate is not installed`.
    """

    package: str
    required: str
    undeclared: facts.UndeclaredRequirement
    satisfied: bool | None
    installed: str


def evaluate(
    env: Environment, lock: Lock | None, *, include_metadata: bool = False
) -> tuple[RequirementStatus, ...]:
    """The status of each undeclared requirement of an environment's packages, in the order of the facts.

    `include_metadata`: also of the recorded requirements that the packages' metadata declares.
    """
    return _evaluate(env, lock, include_metadata)


@remembered
def _evaluate(env: Environment, lock: Lock | None, include_metadata: bool) -> tuple[RequirementStatus, ...]:
    pins = list_pins(env, lock)
    versions = (
        {name: pin.version for name, pin in pins.items()}
        if lock is None
        else {name: parse_version(package.version) for name, package in lock.all_packages.items()}
    )
    statuses = []
    for undeclared in facts.undeclared_requirements():
        dependent = _requirement(undeclared.when)
        name = canonicalize_name(dependent.name)
        pin = pins.get(name)
        extras = pin.extras if pin else frozenset()
        if (
            (undeclared.seen and not include_metadata)
            or name not in versions
            or not dependent.extras <= extras
        ):
            continue
        if dependent.specifier.contains(versions[name], prereleases=True) and _marker_applies(dependent, env):
            statuses.append(_evaluate_requirement(undeclared, name, versions, locked=lock is not None))
    return tuple(statuses)


def metadata_requirements(env: Environment, package: str, version: Version) -> tuple[str, ...]:
    """The recorded requirements of a package's metadata whose markers hold in an environment."""
    recorded = ((_requirement(row.when), row.needs) for row in facts.undeclared_requirements() if row.seen)
    return tuple(
        needs
        for dependent, needs in recorded
        if canonicalize_name(dependent.name) == package
        and dependent.specifier.contains(version, prereleases=True)
        and _marker_applies(dependent, env)
    )


def breaks_undeclared(env: Environment, package: str, version: Version, pins: Mapping[str, Pin]) -> bool:
    """Whether a release of a package requires, undeclared, a version of a pinned package that its pin does not have.

    A requirement on some GPUs counts where one of them is described; what is not pinned does not count.
    """
    gpus = [facts.gpu(name) for name in env.service.gpus]
    for row in facts.undeclared_requirements():
        dependent, needs = _requirement(row.when), _requirement(row.needs)
        pin = pins.get(canonicalize_name(needs.name))
        if (
            pin
            and canonicalize_name(dependent.name) == package
            and not dependent.extras
            and dependent.specifier.contains(version, prereleases=True)
            and not needs.specifier.contains(pin.version, prereleases=True)
            and _marker_applies(dependent, env)
            and (row.capability is None or any(applies_to(row, gpu) for gpu in gpus))
        ):
            return True
    return False


def _marker_applies(dependent: Requirement, env: Environment) -> bool:
    python = f"{env.service.python.major}.{env.service.python.minor}"
    return dependent.marker is None or dependent.marker.evaluate({"python_version": python, "extra": ""})


def _evaluate_requirement(
    undeclared: facts.UndeclaredRequirement, name: str, versions: Mapping[str, Version], *, locked: bool
) -> RequirementStatus:
    needs = _requirement(undeclared.needs)
    needed = canonicalize_name(needs.name)
    version = versions.get(needed)
    absent = "is not installed" if locked else "is not pinned"
    return RequirementStatus(
        package=name,
        required=needed,
        undeclared=undeclared,
        satisfied=needs.specifier.contains(version, prereleases=True)
        if version
        else False
        if locked
        else None,
        installed=f"{needed} {version}" if version else f"{needed} {absent}",
    )


def applies_to(undeclared: facts.UndeclaredRequirement, gpu: facts.Gpu | None) -> bool:
    """Whether an undeclared requirement applies on a GPU: from its capability on, or always where it has none."""
    if undeclared.capability is None:
        return True
    if gpu is None or gpu.capability is None:
        return False
    return facts.parse_capability(gpu.capability) >= facts.parse_capability(undeclared.capability)


def replacement(undeclared: facts.UndeclaredRequirement, gpu_names: Iterable[str] = ()) -> Requirement | None:
    """The recorded pin that satisfies an undeclared requirement.

    Where that pin has an undeclared requirement itself on one of the GPUs, the pin that satisfies both. None: not in the
    facts.
    """
    if not undeclared.instead:
        return None
    pin, gpus = Requirement(undeclared.instead), [facts.gpu(name) for name in gpu_names]
    for candidate in facts.undeclared_requirements():
        dependent = _requirement(candidate.when)
        matches_pin = dependent.name == pin.name and dependent.specifier.contains(pinned_version(pin))
        if (
            matches_pin
            and candidate.instead
            and candidate.capability
            and any(applies_to(candidate, gpu) for gpu in gpus)
        ):
            return Requirement(candidate.instead)
    return pin
