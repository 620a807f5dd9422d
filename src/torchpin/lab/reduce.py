"""A service cut down for the lab: small packages, stubs for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat.wheels import abi_pin
from torchpin.description.environments import MACHINES, torch_build
from torchpin.lock.layers import TORCH, TORCH_DEPS
from torchpin.model import Variant
from torchpin.tools import uv_install

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock, Service


MAX_PACKAGE_BYTES = 3_000_000  # bytes: what is bigger stays out of the lab


def small_packages(lock: Lock) -> frozenset[str]:
    """The packages whose whole closure, torch apart, is small and fits any Python: pure or abi3 wheels, and sources."""
    family = _torch_family(lock)
    torch_deps = {
        package.name for layer in lock.layers if layer.name == TORCH_DEPS for package in layer.packages
    }
    requirements: dict[str, set[str]] = {}
    for package in lock.packages.values():
        for parent in package.required_by:
            requirements.setdefault(parent, set()).add(package.name)

    def fits(name: str, seen: frozenset[str] = frozenset()) -> bool:
        package = lock.packages[name]
        portable = (
            package.is_source or package.filename.endswith("-none-any.whl") or "-abi3-" in package.filename
        )
        if not portable or (package.size or 0) > MAX_PACKAGE_BYTES:
            return False
        dependencies = requirements.get(name, set()) - family - seen - {name}
        return all(fits(dependency, seen | {name}) for dependency in dependencies)

    return frozenset(name for name in lock.packages if name not in family | torch_deps and fits(name))


def requires_torch(lock: Lock, name: str) -> bool:
    """Whether a package wants torch, directly or not: it cannot be imported beside a stand-in."""
    family = _torch_family(lock)
    todo, seen = [name], {name}
    while todo:
        parent = todo.pop()
        for package in lock.all_packages.values():
            if parent in package.required_by:
                if package.name in family:
                    return True
                if package.name not in seen:
                    seen.add(package.name)
                    todo.append(package.name)
    return False


def reduce_service(
    service: Service, env: Environment, lock: Lock, *, base: str, python: str, commits: dict[str, str]
) -> Service:
    """A service for the lab: its own torch pins and sources, small packages, the lab's base and Python."""
    allowed_names = small_packages(lock) | {
        *_abi_wheels(service, env.variant.channel, _local_machine(), python)
    }
    layers = tuple(
        replace(
            layer,
            packages=tuple(
                package for package in layer.packages if canonicalize_name(package.name) in allowed_names
            ),
        )
        for layer in service.layers
    )
    names = lab_package_names(service, lock) | {*commits, "cuda"}
    importable = {
        name.replace("-", "_")
        for name in names - {*service.torch.family}
        if name in lock.packages and not requires_torch(lock, name)
    }
    importable |= {name.replace("-", "_") for name in service.torch.family}
    local_platform = uv_install.local_platform()
    return replace(
        service,
        python=Version(python if service.torch.origin == "index" else python.rpartition(".")[0]),
        base=replace(service.base, image=base or service.base.image, digest=None),
        variants=tuple(_local_variant(env, variant, local_platform) for variant in service.variants),
        layers=layers,
        apt=(),
        imports=tuple(name for name in service.imports if name in importable),
        # an address of its own: what facts tell of the real source is not true of its stand-in
        sources=tuple(
            replace(source, commit=commits[source.name], url=f"https://stand-in.invalid/{source.name}")
            for source in service.sources
        ),
        budget_bytes=None,
        recommends=tuple(
            recommendation
            for recommendation in service.recommends
            if canonicalize_name(recommendation.component) in names
        ),
        reasons=tuple(reason for reason in service.reasons if canonicalize_name(reason.component) in names),
    )


def _abi_wheels(service: Service, channel: str, machine: str, python: str) -> dict[str, facts.Wheel]:
    """The ABI wheels of a service that there are for the lab's Python."""
    wheels: dict[str, facts.Wheel] = {}
    for layer in service.layers:
        pin = abi_pin(layer)
        wheel = pin and facts.find_wheel(
            canonicalize_name(pin.name),
            next(iter(pin.specifier)).version,
            python=python,
            torch=str(service.torch.version),
            channel=channel,
            machine=machine,
        )
        if pin and isinstance(wheel, facts.Wheel):
            wheels[canonicalize_name(pin.name)] = wheel
    return wheels


def _torch_family(lock: Lock) -> set[str]:
    """torch and its companions in a lock, wherever they come from."""
    torch = lock.provided or next(layer for layer in lock.layers if layer.name == TORCH)
    return {package.name for package in torch.packages}


def lab_package_names(service: Service, lock: Lock) -> frozenset[str]:
    """The packages that a lab's service has: torch's family, the small ones that it declares, and what these want."""
    small_names = small_packages(lock)
    declared = {canonicalize_name(package.name) for layer in service.layers for package in layer.packages}
    names = {*service.torch.family}
    todo: list[str] = sorted(declared & small_names)
    while todo:
        name = todo.pop()
        if name not in names:
            names.add(name)
            todo += [package.name for package in lock.packages.values() if name in package.required_by]
    return frozenset(names)


def _local_variant(env: Environment, variant: Variant, local_platform: str) -> Variant:
    """PyPI has no stand-in: there the lab takes the channel whose build PyPI serves."""
    channel = (
        torch_build(replace(env, variant=variant)) or "cpu" if variant.channel == "pypi" else variant.channel
    )
    return Variant(name=variant.name, channel=channel, platform=local_platform)


def _local_machine() -> str:
    return MACHINES[uv_install.local_platform()]
