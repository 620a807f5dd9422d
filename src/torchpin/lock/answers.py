"""Whether a lock is what a resolution would be asked for again: then it need not be resolved.

A lock answers a description where every input of a resolution is the one that it was made with: the description (by the
digests of its layers), uv, what sources ask for at their commits, and what facts say of ABI wheels, torch's family and the
split into layers. What an index has published since then is no input; who wants that, upgrades.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.compat.compiled import compiled_versions
from torchpin.compat.wheels import abi_wheels
from torchpin.errors import InputError
from torchpin.lock.abi_wheels import abi_artifact, required_names
from torchpin.lock.layers import outdated_files, split_layers

if TYPE_CHECKING:
    from torchpin.facts import Wheel
    from torchpin.model import Environment, LayerLock, Lock, PublishedHashes


def unanswered(env: Environment, lock: Lock, *, uv: str, published: PublishedHashes | None = None) -> str:
    """Why an environment has to be resolved although it has a lock, as part of a sentence; "" where the lock answers it.

    `uv` is the release that would resolve it, `published` has the hashes of the lab's ABI wheels.
    """
    for file, message, _ in outdated_files(env, lock):
        return f"{file} {message}"
    for layer in _layers(lock):
        if layer.uv != uv:
            return f"{layer.file} was locked by uv {layer.uv}"
    excluded = sorted(compiled_versions(env).keys() & lock.packages.keys())
    if excluded:
        return f"{', '.join(excluded)} is locked, and compiled for the image"
    for name, wheel in abi_wheels(env).items():
        if not _has_wheel(env, lock, name, wheel, published):
            return f"the facts about {name} have changed"
    return "" if _is_split(env, lock, uv) else "torchpin splits what is locked into other layers"


def _layers(lock: Lock) -> list[LayerLock]:
    return [*lock.layers, *(layer for layer in (*lock.build_layers, lock.provided) if layer)]


def _has_wheel(
    env: Environment, lock: Lock, name: str, wheel: Wheel, published: PublishedHashes | None
) -> bool:
    """Whether an ABI wheel is locked as facts have it, with what it requires and nothing else that it would bring."""
    packages = lock.all_packages
    brought = {package.name for package in packages.values() if name in package.required_by}
    requirements = [Requirement(text) for text in wheel.requires]
    return (
        packages.get(name) == abi_artifact(env, wheel, published)
        and brought == required_names(wheel) & packages.keys()
        and all(
            requirement.specifier.contains(packages[required].version, prereleases=True)
            for requirement in requirements
            if (required := canonicalize_name(requirement.name)) in packages
        )
    )


def _is_split(env: Environment, lock: Lock, uv: str) -> bool:
    """Whether the packages of a lock are in the layers into which a resolution of them would be split."""
    packages = list(lock.all_packages.values())
    try:
        layers, provided = split_layers(env, packages, uv=uv, upstreams=lock.upstreams)
    except InputError:
        return False
    locked = [replace(layer, cutoff="") for layer in (*lock.layers, *filter(None, (lock.provided,)))]
    return locked == [*layers, *filter(None, (provided,))]
