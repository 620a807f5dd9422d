"""Which of an environment's locked packages the lab has, which are stubs, and why the others are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from torchpin.compat.pins import declared_names
from torchpin.compat.wheels import abi_pin
from torchpin.lab.stub_wheels import TORCH_REQUIRES
from torchpin.lock.dependencies import direct_dependencies, required_closure
from torchpin.lock.layers import TORCH, TORCH_DEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Environment, Lock, Service

MAX_PACKAGE_BYTES = 3_000_000  # larger packages are left out of the lab, but for `--full`
OF_TORCH = "only torch requires them"
NOT_NEEDED = "not required by what is there"
OF_OTHERS = "require one that is left out"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabPackages:
    """The packages of a committed lock, by their names: real ones, stubs, and those left out, each with the reason."""

    real: tuple[str, ...]
    stubs: tuple[str, ...]
    left_out: Mapping[str, str]

    @property
    def total(self) -> int:
        return len(self.real) + len(self.stubs) + len(self.left_out)

    @property
    def reasons(self) -> dict[str, list[str]]:
        """The left-out packages by reason."""
        names: dict[str, list[str]] = {}
        for name, reason in sorted(self.left_out.items()):
            names.setdefault(reason, []).append(name)
        return names


def expected_scope(env: Environment, lock: Lock, *, full: bool) -> LabPackages:
    """The packages that the lab is expected to have of an environment, before anything is resolved."""
    is_installed = env.service.torch.origin == "index"
    required = {requirement_name(line) for line in TORCH_REQUIRES} if is_installed else frozenset()
    present = lab_package_names(env.service, lock, full=full) | abi_names(env.service) | required
    return _scope(env, lock, present, full=full)


def locked_scope(env: Environment, lock: Lock, lab_lock: Lock, *, full: bool) -> LabPackages:
    """The packages that the lab's own lock has of an environment."""
    return _scope(env, lock, frozenset(lab_lock.all_packages), full=full)


def _scope(env: Environment, lock: Lock, present: frozenset[str], *, full: bool) -> LabPackages:
    stubs = _torch_family(lock) | abi_names(env.service)
    names = frozenset(lock.all_packages)
    reasons = unfit_packages(lock, full=full)
    return LabPackages(
        real=tuple(sorted((names & present) - stubs)),
        stubs=tuple(sorted(names & present & stubs, key=lambda name: (name != "torch", name))),
        left_out={
            name: "no build for the lab's Python" if name in stubs else reasons.get(name, NOT_NEEDED)
            for name in sorted(names - present)
        },
    )


def unfit_packages(lock: Lock, *, full: bool = False) -> dict[str, str]:
    """The packages that the lab cannot have, each with the reason: large ones, those that are built for one Python alone,
    what requires these, and what only torch requires. `full`: the last alone.
    """
    family = _torch_family(lock)
    reasons = {
        package.name: OF_TORCH
        for layer in lock.layers
        if layer.name == TORCH_DEPS
        for package in layer.packages
    }
    if full:
        return reasons
    dependencies_of = direct_dependencies(lock.packages.values())
    pending = {name for name in lock.packages if name not in family and name not in reasons}
    reasons |= {name: reason for name in sorted(pending) if (reason := _own_reason(lock.packages[name]))}
    while True:
        follow = {
            name for name in pending - reasons.keys() if dependencies_of.get(name, set()) & reasons.keys()
        }
        if not follow:
            return reasons
        reasons |= dict.fromkeys(follow, OF_OTHERS)


def fitting_packages(lock: Lock, *, full: bool = False) -> frozenset[str]:
    """The packages that the lab can have, without torch's family."""
    return frozenset(lock.packages) - _torch_family(lock) - unfit_packages(lock, full=full).keys()


def _own_reason(package: Artifact) -> str:
    """Why a package itself is left out; "" where it is small and fits any Python."""
    if (package.size or 0) > MAX_PACKAGE_BYTES:
        return f"larger than {MAX_PACKAGE_BYTES // 1_000_000} MB"
    is_portable = package.is_source or package.filename.endswith("-none-any.whl")
    return "" if is_portable or "-abi3-" in package.filename else "built for each Python"


def lab_package_names(service: Service, lock: Lock, *, full: bool = False) -> frozenset[str]:
    """The packages of a service in the lab: torch's family, its declared packages that fit, and what these require."""
    family = {*service.torch.family}
    unfit = unfit_packages(lock, full=full).keys() | abi_names(service)
    roots = ({*declared_names(service.layers)} | _source_names(service, lock)) & {*lock.packages} - unfit
    return frozenset(family | required_closure(lock.packages.values(), roots, without=family))


def abi_names(service: Service) -> frozenset[str]:
    """The packages whose wheel facts choose by torch's ABI: the lab has stubs of them, where they are built for its Python."""
    pins = (abi_pin(layer) for layer in service.layers)
    return frozenset(canonicalize_name(pin.name) for pin in pins if pin)


def requires_torch(lock: Lock, name: str) -> bool:
    """Whether a package requires torch's family, directly or not: it cannot be imported with the stubs."""
    return bool((required_closure(lock.all_packages.values(), [name]) - {name}) & _torch_family(lock))


def requirement_name(line: str) -> str:
    """The normalized name of a requirement line, "" for a line that is not a requirement (PEP 508)."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""


def _source_names(service: Service, lock: Lock) -> set[str]:
    """The packages that the installed sources of a service ask for."""
    left_out = {
        source.name: {*map(canonicalize_name, source.without)} for source in service.sources if source.install
    }
    names = {
        requirement_name(line)
        for upstream in lock.upstreams
        if upstream.source in left_out
        for line in upstream.requirements
        if requirement_name(line) not in left_out[upstream.source]
    }
    return names & {*lock.packages}


def _torch_family(lock: Lock) -> set[str]:
    """The names of torch and its companions in a lock, installed or provided by the base image."""
    torch = lock.provided or next(layer for layer in lock.layers if layer.name == TORCH)
    return {package.name for package in torch.packages}
