"""Reduction of a service to what the lab installs: torch's stubs, stub sources and small packages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat.pins import declared_names, pinned_version
from torchpin.compat.wheels import abi_pin
from torchpin.description.environments import MACHINES, torch_build
from torchpin.lock.dependencies import direct_dependencies, required_closure
from torchpin.lock.layers import TORCH, TORCH_DEPS
from torchpin.model import Variant
from torchpin.tools import uv_install

if TYPE_CHECKING:
    from torchpin.model import Environment, Layer, Lock, Service


MAX_PACKAGE_BYTES = 3_000_000  # larger packages are left out of the lab


def small_packages(lock: Lock) -> frozenset[str]:
    """The packages that are small and fit any Python (pure or abi3 wheels, sources), with all that they require but torch."""
    family = _torch_family(lock)
    torch_deps = {
        package.name for layer in lock.layers if layer.name == TORCH_DEPS for package in layer.packages
    }
    dependencies_of = direct_dependencies(lock.packages.values())

    def fits(name: str, seen: frozenset[str] = frozenset()) -> bool:
        package = lock.packages[name]
        portable = (
            package.is_source or package.filename.endswith("-none-any.whl") or "-abi3-" in package.filename
        )
        if not portable or (package.size or 0) > MAX_PACKAGE_BYTES:
            return False
        dependencies = dependencies_of.get(name, set()) - family - seen - {name}
        return all(fits(dependency, seen | {name}) for dependency in dependencies)

    return frozenset(name for name in lock.packages if name not in family | torch_deps and fits(name))


def requires_torch(lock: Lock, name: str) -> bool:
    """Whether a package requires torch's family, directly or not: it cannot be imported with the stubs."""
    return bool((required_closure(lock.all_packages.values(), [name]) - {name}) & _torch_family(lock))


def reduce_service(
    service: Service, env: Environment, lock: Lock, *, base: str, python: str, commits: dict[str, str]
) -> Service:
    """A service for the lab: its torch pins and sources, its small packages, the lab's base image and Python.

    `env` and `lock` are one of its environments and the lock of it; `commits` are those of the stub sources.
    """
    names = lab_package_names(service, lock) | {*commits, "cuda"}
    importable = _importable_modules(service, lock, names)
    local_platform = uv_install.local_platform()
    return replace(
        service,
        # a base image with torch decides the patch release of its Python, so it is not described
        python=Version(python if service.torch.origin == "index" else python.rpartition(".")[0]),
        base=replace(service.base, image=base or service.base.image, digest=None),
        variants=tuple(_local_variant(env, variant, local_platform) for variant in service.variants),
        layers=_reduce_layers(service, env, lock, python),
        apt=(),
        apt_repositories=(),
        build=None,  # stubs of torch and of sources compile nothing
        run=replace(
            service.run, compiles=None
        ),  # stubs compile nothing, and there is no compiler without `apt`
        imports=tuple(name for name in service.imports if name in importable),
        # another URL, since the facts about the real source are not true of its stub
        sources=tuple(
            replace(
                source,
                commit=commits[source.name],
                url=f"https://stub.invalid/{source.name}",
                without=tuple(name for name in source.without if canonicalize_name(name) in names),
                submodules=None,  # a stub has none, and no files of Git LFS
                lfs=None,
            )
            for source in service.sources
        ),
        overrides=tuple(row for row in service.overrides if canonicalize_name(row.package.name) in names),
        budget_bytes=None,  # an image of stubs has another size
        recommends=tuple(
            recommendation
            for recommendation in service.recommends
            if canonicalize_name(recommendation.component) in names
        ),
        reasons=tuple(reason for reason in service.reasons if canonicalize_name(reason.component) in names),
    )


def _reduce_layers(service: Service, env: Environment, lock: Lock, python: str) -> tuple[Layer, ...]:
    """A service's layers with their small packages and those ABI wheels that exist for the lab's Python."""
    abi_names = _abi_wheels(service, env.variant.channel, _local_machine(), python).keys()
    names = small_packages(lock) | abi_names
    return tuple(
        replace(
            layer,
            packages=tuple(package for package in layer.packages if canonicalize_name(package.name) in names),
        )
        for layer in service.layers
    )


def _importable_modules(service: Service, lock: Lock, names: frozenset[str]) -> set[str]:
    """The modules that can be imported in the lab: torch's family, and what does not require it."""
    family = {*service.torch.family}
    independent = {
        name for name in names - family if name in lock.packages and not requires_torch(lock, name)
    }
    return {name.replace("-", "_") for name in independent | family}


def _abi_wheels(service: Service, channel: str, machine: str, python: str) -> dict[str, facts.Wheel]:
    """The ABI wheels of a service that exist for the lab's Python."""
    wheels: dict[str, facts.Wheel] = {}
    for layer in service.layers:
        pin = abi_pin(layer)
        wheel = pin and facts.find_wheel(
            canonicalize_name(pin.name),
            pinned_version(pin),
            python=python,
            torch=str(service.torch.version),
            channel=channel,
            machine=machine,
        )
        if pin and isinstance(wheel, facts.Wheel):
            wheels[canonicalize_name(pin.name)] = wheel
    return wheels


def _torch_family(lock: Lock) -> set[str]:
    """The names of torch and its companions in a lock, installed or provided by the base image."""
    torch = lock.provided or next(layer for layer in lock.layers if layer.name == TORCH)
    return {package.name for package in torch.packages}


def lab_package_names(service: Service, lock: Lock) -> frozenset[str]:
    """The packages of a service in the lab: torch's family, its declared small packages, and what these require."""
    family = {*service.torch.family}
    roots = ({*declared_names(service.layers)} | _source_names(service, lock)) & small_packages(lock)
    return frozenset(family | required_closure(lock.packages.values(), roots, without=family))


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


def requirement_name(line: str) -> str:
    """The normalized name of a requirement line, "" for a line that is not a requirement (PEP 508)."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""


def _local_variant(env: Environment, variant: Variant, local_platform: str) -> Variant:
    """A variant for this machine; for PyPI, which the lab does not replace, with the channel whose build PyPI serves."""
    channel = (
        torch_build(replace(env, variant=variant)) or "cpu" if variant.channel == "pypi" else variant.channel
    )
    return Variant(name=variant.name, channel=channel, platform=local_platform)


def _local_machine() -> str:
    return MACHINES[uv_install.local_platform()]
