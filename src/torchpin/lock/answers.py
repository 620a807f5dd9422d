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
from torchpin.compat.family import channel_names
from torchpin.compat.pins import declared_names
from torchpin.compat.project_requirements import file_ranges
from torchpin.compat.recommendations import installed_requirements
from torchpin.compat.wheels import abi_wheels
from torchpin.errors import InputError
from torchpin.lock.abi_wheels import abi_artifact, required_names
from torchpin.lock.layers import inputs_digest, outdated_files, source_layers, split_layers

if TYPE_CHECKING:
    from torchpin.facts import Wheel
    from torchpin.model import Environment, Lock, PublishedHashes, Source, Upstream


def unanswered(env: Environment, lock: Lock, *, uv: str, published: PublishedHashes | None = None) -> str:
    """Why an environment has to be resolved although it has a lock, as part of a sentence; "" where the lock answers it.

    `uv` is the release that would resolve it, `published` has the hashes of the lab's ABI wheels.
    """
    for file, message, _ in outdated_files(env, lock):
        return f"{file} {message}"
    for layer in lock.all_layers:
        if layer.uv != uv:
            return f"{layer.file} was locked by uv {layer.uv}"
    excluded = sorted(compiled_versions(env).keys() & lock.packages.keys())
    if excluded:
        return f"{', '.join(excluded)} is locked, and compiled for the image"
    for requirement, file in file_ranges(env):
        package = lock.packages.get(canonicalize_name(requirement.name))
        if package and not requirement.specifier.contains(package.version, prereleases=True):
            return f"{package.name} {package.version} is locked, and {file} says {requirement.specifier}"
    for name, wheel in abi_wheels(env).items():
        if not _has_wheel(env, lock, name, wheel, published):
            return f"the facts about {name} have changed"
    return "" if _is_split(env, lock, uv) else "torchpin splits what is locked into other layers"


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


def committed_upstream(env: Environment, lock: Lock, source: Source) -> Upstream | None:
    """What a lock says that a source asks for, where its clone would say the same: it need not be cloned for it.

    Of an installed source that depends on the description, too: a pin stands for lines that no lock can have, such as
    an address. None where such a pin may be gone, and for another commit, tag or file.
    """
    described = (source.name, source.tag, source.commit, " ".join(source.requirements), source.is_package)
    for upstream in lock.upstreams:
        is_package = bool(upstream.distribution)
        recorded = (upstream.source, upstream.tag, upstream.commit, upstream.file, is_package)
        if recorded == described and (not source.install or _is_read_alike(env, lock, source)):
            return upstream
    return None


def _is_read_alike(env: Environment, lock: Lock, source: Source) -> bool:
    """Whether the lines of an installed source are read as when it was locked: by the same words, and no pin less."""
    digests = {layer.name: layer.inputs_digest for layer in lock.layers}
    same_words = any(
        digests.get(name) == inputs_digest(env, name)
        for name, described in source_layers(env).items()
        if described == source
    )
    sources = {source.name for source in env.service.sources}
    required_names = {
        package.name for package in lock.all_packages.values() if env.service.name in package.required_by
    }
    by_sources = {
        canonicalize_name(row.name)
        for upstream in lock.upstreams
        if upstream.source in sources
        for row in installed_requirements(env, upstream)
        if not row.url
    }
    return same_words and required_names <= {*declared_names(env.layers), *channel_names(env), *by_sources}
