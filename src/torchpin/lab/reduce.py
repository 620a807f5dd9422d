"""Reduction of a service to what the lab installs: torch's stubs, stub sources and small packages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat.pins import pinned_version
from torchpin.compat.wheels import abi_pin
from torchpin.description.environments import MACHINES, torch_build
from torchpin.lab.scope import abi_names, fitting_packages, lab_package_names, requires_torch
from torchpin.model import Variant
from torchpin.tools import uv_install

if TYPE_CHECKING:
    from torchpin.model import Environment, Layer, Lock, Service, Source


def reduce_service(
    service: Service,
    env: Environment,
    lock: Lock,
    *,
    base: str,
    python: str,
    commits: dict[str, str],
    full: bool = False,
) -> Service:
    """A service for the lab: its torch pins and sources, its small packages, the lab's base image and Python.

    `env` and `lock` are one of its environments and the lock of it; `commits` are those of the stub sources. `full`: with
    packages of any size.
    """
    names = lab_package_names(service, lock, full=full) | {*commits, "cuda"}
    # of large packages, what they need of the system is not there: they are tried later
    importable = {*service.torch.family} if full else _importable_modules(service, lock, names)
    local_platform = uv_install.local_platform()
    return replace(
        service,
        # a base image with torch decides the patch release of its Python, so it is not described
        python=Version(python if service.torch.origin == "index" else python.rpartition(".")[0]),
        base=replace(service.base, image=base or service.base.image, digest=None),
        variants=tuple(_local_variant(env, variant, local_platform) for variant in service.variants),
        layers=_reduce_layers(service, env, lock, python, full=full),
        apt=(),
        apt_repositories=(),
        build=None,  # stubs of torch and of sources compile nothing
        run=replace(service.run, compiles=None),  # without `apt` there is no compiler
        imports=tuple(name for name in service.imports if name in importable),
        sources=tuple(_stub_source(source, commits[source.name], names) for source in service.sources),
        overrides=tuple(row for row in service.overrides if canonicalize_name(row.package.name) in names),
        budget_bytes=None,  # an image of stubs has another size
        recommends=tuple(
            recommendation
            for recommendation in service.recommends
            if canonicalize_name(recommendation.component) in names
        ),
        reasons=tuple(reason for reason in service.reasons if canonicalize_name(reason.component) in names),
    )


def _stub_source(source: Source, commit: str, names: frozenset[str]) -> Source:
    """A source as its stub: at the stub's commit, with what it asks for of the packages in `names`."""
    return replace(
        source,
        commit=commit,
        # another URL, since the facts about the real source are not true of its stub
        url=f"https://stub.invalid/{source.name}",
        without=tuple(name for name in source.without if canonicalize_name(name) in names),
        submodules=None,  # a stub has none, and no files of Git LFS
        lfs=None,
    )


def _reduce_layers(
    service: Service, env: Environment, lock: Lock, python: str, *, full: bool
) -> tuple[Layer, ...]:
    """A service's layers with the packages that fit and those ABI wheels that exist for the lab's Python."""
    wheels = _abi_wheels(service, env.variant.channel, _local_machine(), python)
    names = fitting_packages(lock, full=full) - abi_names(service) | wheels.keys()
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


def _local_variant(env: Environment, variant: Variant, local_platform: str) -> Variant:
    """A variant for this machine; for PyPI, which the lab does not replace, with the channel whose build PyPI serves."""
    channel = (
        torch_build(replace(env, variant=variant)) or "cpu" if variant.channel == "pypi" else variant.channel
    )
    return Variant(name=variant.name, channel=channel, platform=local_platform)


def _local_machine() -> str:
    return MACHINES[uv_install.local_platform()]
