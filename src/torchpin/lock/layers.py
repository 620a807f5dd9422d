"""Descriptions to what is to be done: environments, the split of a resolution into layers, images, keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat.wheels import abi_pin
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.model import Artifact, Environment, LayerLock, Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.model import Layer

TORCH, TORCH_DEPS, PROVIDED = "00-torch", "01-torch-deps", "00-given"


# --- environments ----------------------------------------------------------------------------------------------------


# --- the lock --------------------------------------------------------------------------------------------------------


def _torch_layers(env: Environment) -> tuple[str, ...]:
    """The layers that torchpin makes itself, before the declared ones."""
    return (TORCH, TORCH_DEPS) if env.service.torch.origin == "index" else ()


def declared_layers(env: Environment) -> dict[str, Layer]:
    """The declared layers by their numbered names."""
    first = len(_torch_layers(env)) or 1  # 00 is what the base gives
    return {
        f"{number:02}-{layer.name}": layer for number, layer in enumerate(env.service.layers, start=first)
    }


def layer_names(env: Environment) -> tuple[str, ...]:
    return (*_torch_layers(env), *declared_layers(env))


def inputs_digest(env: Environment, layer: str) -> str:
    """The digest of what a layer file answers: change that part of the description and the layer is stale."""
    inputs: dict[str, object] = {"python": str(env.service.python), "platform": env.variant.platform}
    if layer in {TORCH, TORCH_DEPS, PROVIDED}:
        inputs["channel"] = env.variant.channel
        inputs["torch"] = {name: str(version) for name, version in env.service.torch.family.items()}
    elif layer != "build":
        declared = declared_layers(env)[layer]
        inputs["packages"] = sorted(str(package) for package in declared.packages)
        inputs["optional"] = declared.optional
        inputs |= {"torch": f"{env.service.torch.version}+{env.variant.channel}"} if abi_pin(declared) else {}
    return file_format.digest(json.dumps(inputs, sort_keys=True))


def outdated_files(env: Environment, lock: Lock) -> tuple[tuple[str, str, str], ...]:
    """Where a lock does not answer its description: (file, what is wrong, about what), nothing when it is fresh."""
    problems: list[tuple[str, str, str]] = []
    layers = {layer.name: layer for layer in lock.layers}
    for name in layer_names(env):
        layer = layers.pop(name, None)
        if not layer:
            problems.append((f"{name}.txt", "this layer of the description is not locked", name))
        elif layer.inputs_digest != inputs_digest(env, name):
            problems.append((f"{name}.txt", "was locked for another description", name))
        elif layer.environment != env.name:
            problems.append((f"{name}.txt", f"is a layer of {layer.environment}", name))
    problems += [(f"{name}.txt", "is a layer that the description does not have", name) for name in layers]
    base = env.service.torch.origin == "base"
    if base != bool(lock.provided) or (
        lock.provided and lock.provided.inputs_digest != inputs_digest(env, PROVIDED)
    ):
        problems.append((f"{PROVIDED}.txt", "is not what the base image is described to bring", PROVIDED))
    sources_only = sorted(name for name, package in lock.packages.items() if package.is_source)
    builds = (
        sorted({name for package in lock.build.packages for name in package.required_by})
        if lock.build
        else []
    )
    if sources_only != builds:
        package_names = ", ".join(sources_only) or "there are none"
        problems.append(
            ("build.txt", f"is not what builds the source-only packages ({package_names})", "build")
        )
    if lock.build and lock.build.inputs_digest != inputs_digest(env, "build"):
        problems.append(("build.txt", "was locked for another description", "build"))
    described_upstreams = {
        (source.name, source.tag, source.commit, str(source.requirements))
        for source in env.service.sources
        if source.requirements
    }
    locked_upstreams = {
        (upstream.source, upstream.tag, upstream.commit, upstream.file) for upstream in lock.upstreams
    }
    for name in sorted({row[0] for row in described_upstreams ^ locked_upstreams}):
        problems.append(
            (f"{file_format.UPSTREAM_PREFIX}{name}.txt", f"is not of {name} as it is described", name)
        )
    return tuple(problems)


def split_layers(
    env: Environment, packages: Sequence[Artifact], *, uv: str
) -> tuple[tuple[LayerLock, ...], LayerLock | None]:
    """One resolution into install layers, and what of it the base gives.

    torch and companions first; then what only they want; then each declared layer with its own packages and those
    that it is the first to want, optional layers last: what must be there is not lost with one that may fail. What
    only an ABI wheel wants goes into the first plain layer: a layer has one origin. `wanted_by` of the packages is
    the graph; a declared package is wanted by the service.
    """
    family = {*env.service.torch.family}
    declared = declared_layers(env)
    abi_layers = [name for name, layer in declared.items() if abi_pin(layer)]
    plain_layers = sorted(
        (name for name in declared if name not in abi_layers), key=lambda name: declared[name].optional
    )
    layer_of = dict.fromkeys(family, TORCH)
    for name, layer in declared.items():
        layer_of |= {canonicalize_name(package.name): name for package in layer.packages}
    for name in [*plain_layers, *abi_layers]:
        roots = [package for package, layer in layer_of.items() if layer == name]
        for package in sorted(_required_closure(packages, roots, without=family) - {*layer_of}):
            if not plain_layers and env.service.torch.origin == "index":
                continue  # it goes with what torch wants
            if not plain_layers:
                raise InputError(
                    f"{env.service.file}: {roots[0]} wants {package}: add a layer for it, from PyPI."
                )
            layer_of[package] = name if name in plain_layers else plain_layers[0]
    layers: dict[str, list[Artifact]] = {name: [] for name in (TORCH, TORCH_DEPS, *declared)}
    for artifact in sorted(packages, key=lambda artifact: artifact.name):
        layers[layer_of.get(artifact.name, TORCH_DEPS)].append(artifact)
    layer_locks = {
        name: layer_lock(env, name, content, uv=uv)
        for name, content in layers.items()
        if name in layer_names(env)
    }
    provided_layer = (
        layer_lock(env, PROVIDED, layers[TORCH], uv=uv) if env.service.torch.origin == "base" else None
    )
    return tuple(layer_locks.values()), provided_layer


def layer_index(env: Environment, layer: str) -> str:
    """Where a layer's files come from: the channel, PyPI, or the releases of its one ABI wheel."""
    if layer in {TORCH, PROVIDED}:
        return env.variant.channel
    declared = declared_layers(env).get(layer)
    pin = abi_pin(declared) if declared else None
    return canonicalize_name(pin.name) if pin else "pypi"


def layer_lock(env: Environment, name: str, packages: Iterable[Artifact], *, uv: str) -> LayerLock:
    declared = declared_layers(env).get(name)
    return LayerLock(
        environment=env.name,
        name=name,
        origin=layer_index(env, name),
        python=str(env.service.python),
        platform=env.variant.platform,
        uv=uv,
        inputs_digest=inputs_digest(env, name),
        packages=tuple(packages),
        optional=bool(declared and declared.optional),
    )


def _required_closure(packages: Sequence[Artifact], roots: Iterable[str], *, without: set[str]) -> set[str]:
    """Everything that the roots want, directly or not, along no path through `without`."""
    requirements: dict[str, set[str]] = {}
    for package in packages:
        for parent in package.required_by:
            requirements.setdefault(parent, set()).add(package.name)
    required: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in required and name not in without:
            required.add(name)
            todo += requirements.get(name, ())
    return required
