"""A service cut down for the lab: small packages, stubs for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import wheels
from torchpin.description import environments as description_environments
from torchpin.lock.layers import TORCH, TORCH_DEPS
from torchpin.model import Variant
from torchpin.tools import uv_install

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock, Service


LARGEST = 3_000_000  # bytes: what is bigger stays out of the lab


def small(lock: Lock) -> frozenset[str]:
    """The packages whose whole closure, torch apart, is small and fits any Python: pure or abi3 wheels, and sources."""
    family = _family(lock)
    deps = {p.name for layer in lock.layers if layer.name == TORCH_DEPS for p in layer.packages}
    wants: dict[str, set[str]] = {}
    for package in lock.packages.values():
        for parent in package.wanted_by:
            wants.setdefault(parent, set()).add(package.name)

    def fits(name: str, seen: frozenset[str] = frozenset()) -> bool:
        package = lock.packages[name]
        portable = (
            package.is_source or package.filename.endswith("-none-any.whl") or "-abi3-" in package.filename
        )
        if not portable or (package.size or 0) > LARGEST:
            return False
        below = wants.get(name, set()) - family - seen - {name}
        return all(fits(other, seen | {name}) for other in below)

    return frozenset(name for name in lock.packages if name not in family | deps and fits(name))


def wants_torch(lock: Lock, name: str) -> bool:
    """Whether a package wants torch, directly or not: it cannot be imported beside a stand-in."""
    family = _family(lock)
    todo, seen = [name], {name}
    while todo:
        one = todo.pop()
        for package in lock.all.values():
            if one in package.wanted_by:
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
    kept = small(lock) | {*_abi_wheels(service, env.variant.channel, _machine(), python)}
    layers = tuple(
        replace(layer, packages=tuple(p for p in layer.packages if canonicalize_name(p.name) in kept))
        for layer in service.layers
    )
    names = lab_packages(service, lock) | {*commits, "cuda"}
    importable = {
        n.replace("-", "_")
        for n in names - {*service.torch.family}
        if n in lock.packages and not wants_torch(lock, n)
    }
    importable |= {name.replace("-", "_") for name in service.torch.family}
    here = uv_install.platform_here()
    return replace(
        service,
        python=Version(python if service.torch.origin == "index" else python.rpartition(".")[0]),
        base=replace(service.base, image=base or service.base.image, digest=None),
        variants=tuple(_variant(env, variant, here) for variant in service.variants),
        layers=layers,
        apt=(),
        imports=tuple(name for name in service.imports if name in importable),
        # an address of its own: what facts tell of the real source is not true of its stand-in
        sources=tuple(
            replace(source, commit=commits[source.name], url=f"https://stand-in.invalid/{source.name}")
            for source in service.sources
        ),
        budget_bytes=None,
        recommends=tuple(one for one in service.recommends if canonicalize_name(one.component) in names),
        reasons=tuple(one for one in service.reasons if canonicalize_name(one.component) in names),
    )


def _abi_wheels(service: Service, channel: str, machine: str, python: str) -> dict[str, facts.Wheel]:
    """The ABI wheels of a service that there are for the lab's Python."""
    found: dict[str, facts.Wheel] = {}
    for layer in service.layers:
        pin = wheels.abi_pin(layer)
        wheel = pin and facts.wheel(
            canonicalize_name(pin.name),
            next(iter(pin.specifier)).version,
            python=python,
            torch=str(service.torch.version),
            channel=channel,
            machine=machine,
        )
        if pin and isinstance(wheel, facts.Wheel):
            found[canonicalize_name(pin.name)] = wheel
    return found


def _family(lock: Lock) -> set[str]:
    """torch and its companions in a lock, wherever they come from."""
    torch = lock.given or next(layer for layer in lock.layers if layer.name == TORCH)
    return {package.name for package in torch.packages}


def lab_packages(service: Service, lock: Lock) -> frozenset[str]:
    """The packages that a lab's service has: torch's family, the small ones that it declares, and what these want."""
    kept = small(lock)
    declared = {canonicalize_name(p.name) for layer in service.layers for p in layer.packages}
    found = {*service.torch.family}
    todo: list[str] = sorted(declared & kept)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [p.name for p in lock.packages.values() if name in p.wanted_by]
    return frozenset(found)


def _variant(env: Environment, variant: Variant, here: str) -> Variant:
    """PyPI has no stand-in: there the lab takes the channel whose build PyPI serves."""
    channel = (
        description_environments.torch_build(replace(env, variant=variant)) or "cpu"
        if variant.channel == "pypi"
        else variant.channel
    )
    return Variant(name=variant.name, channel=channel, platform=here)


def _machine() -> str:
    return description_environments.MACHINES[uv_install.platform_here()]
