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

TORCH, TORCH_DEPS, GIVEN = "00-torch", "01-torch-deps", "00-given"


# --- environments ----------------------------------------------------------------------------------------------------


# --- the lock --------------------------------------------------------------------------------------------------------


def _own_layers(env: Environment) -> tuple[str, ...]:
    """The layers that torchpin makes itself, before the declared ones."""
    return (TORCH, TORCH_DEPS) if env.service.torch.origin == "index" else ()


def declared_layers(env: Environment) -> dict[str, Layer]:
    """The declared layers by their numbered names."""
    first = len(_own_layers(env)) or 1  # 00 is what the base gives
    return {
        f"{number:02}-{layer.name}": layer for number, layer in enumerate(env.service.layers, start=first)
    }


def layer_names(env: Environment) -> tuple[str, ...]:
    return (*_own_layers(env), *declared_layers(env))


def answers(env: Environment, layer: str) -> str:
    """The digest of what a layer file answers: change that part of the description and the layer is stale."""
    question: dict[str, object] = {"python": str(env.service.python), "platform": env.variant.platform}
    if layer in {TORCH, TORCH_DEPS, GIVEN}:
        question["channel"] = env.variant.channel
        question["torch"] = {name: str(version) for name, version in env.service.torch.family.items()}
    elif layer != "build":
        declared = declared_layers(env)[layer]
        question["packages"] = sorted(str(package) for package in declared.packages)
        question["optional"] = declared.optional
        question |= (
            {"torch": f"{env.service.torch.version}+{env.variant.channel}"} if abi_pin(declared) else {}
        )
    return file_format.digest(json.dumps(question, sort_keys=True))


def stale(env: Environment, lock: Lock) -> tuple[tuple[str, str, str], ...]:
    """Where a lock does not answer its description: (file, what is wrong, about what), nothing when it is fresh."""
    found: list[tuple[str, str, str]] = []
    layers = {layer.name: layer for layer in lock.layers}
    for name in layer_names(env):
        layer = layers.pop(name, None)
        if not layer:
            found.append((f"{name}.txt", "this layer of the description is not locked", name))
        elif layer.answers != answers(env, name):
            found.append((f"{name}.txt", "was locked for another description", name))
        elif layer.environment != env.name:
            found.append((f"{name}.txt", f"is a layer of {layer.environment}", name))
    found += [(f"{name}.txt", "is a layer that the description does not have", name) for name in layers]
    base = env.service.torch.origin == "base"
    if base != bool(lock.given) or (lock.given and lock.given.answers != answers(env, GIVEN)):
        found.append((f"{GIVEN}.txt", "is not what the base image is described to bring", GIVEN))
    sources_only = sorted(name for name, package in lock.packages.items() if package.is_source)
    builds = (
        sorted({name for package in lock.build.packages for name in package.wanted_by}) if lock.build else []
    )
    if sources_only != builds:
        wanted = ", ".join(sources_only) or "there are none"
        found.append(("build.txt", f"is not what builds the source-only packages ({wanted})", "build"))
    if lock.build and lock.build.answers != answers(env, "build"):
        found.append(("build.txt", "was locked for another description", "build"))
    asked = {(s.name, s.tag, s.commit, str(s.requirements)) for s in env.service.sources if s.requirements}
    held = {(u.source, u.tag, u.commit, u.file) for u in lock.upstreams}
    for name in sorted({row[0] for row in asked ^ held}):
        found.append((f"{file_format.UPSTREAM}{name}.txt", f"is not of {name} as it is described", name))
    return tuple(found)


def split(
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
    alone = [name for name, layer in declared.items() if abi_pin(layer)]
    plain = sorted((name for name in declared if name not in alone), key=lambda name: declared[name].optional)
    place = dict.fromkeys(family, TORCH)
    for name, layer in declared.items():
        place |= {canonicalize_name(package.name): name for package in layer.packages}
    for name in [*plain, *alone]:
        roots = [package for package, layer in place.items() if layer == name]
        for package in sorted(_wanted(packages, roots, without=family) - {*place}):
            if not plain and env.service.torch.origin == "index":
                continue  # it goes with what torch wants
            if not plain:
                raise InputError(
                    f"{env.service.file}: {roots[0]} wants {package}: add a layer for it, from PyPI."
                )
            place[package] = name if name in plain else plain[0]
    layers: dict[str, list[Artifact]] = {name: [] for name in (TORCH, TORCH_DEPS, *declared)}
    for one in sorted(packages, key=lambda one: one.name):
        layers[place.get(one.name, TORCH_DEPS)].append(one)
    made = {
        name: layer_lock(env, name, content, uv=uv)
        for name, content in layers.items()
        if name in layer_names(env)
    }
    given = layer_lock(env, GIVEN, layers[TORCH], uv=uv) if env.service.torch.origin == "base" else None
    return tuple(made.values()), given


def origin(env: Environment, layer: str) -> str:
    """Where a layer's files come from: the channel, PyPI, or the releases of its one ABI wheel."""
    if layer in {TORCH, GIVEN}:
        return env.variant.channel
    declared = declared_layers(env).get(layer)
    pin = abi_pin(declared) if declared else None
    return canonicalize_name(pin.name) if pin else "pypi"


def layer_lock(env: Environment, name: str, packages: Iterable[Artifact], *, uv: str) -> LayerLock:
    declared = declared_layers(env).get(name)
    return LayerLock(
        environment=env.name,
        name=name,
        origin=origin(env, name),
        python=str(env.service.python),
        platform=env.variant.platform,
        uv=uv,
        answers=answers(env, name),
        packages=tuple(packages),
        optional=bool(declared and declared.optional),
    )


def _wanted(packages: Sequence[Artifact], roots: Iterable[str], *, without: set[str]) -> set[str]:
    """Everything that the roots want, directly or not, along no path through `without`."""
    wants: dict[str, set[str]] = {}
    for package in packages:
        for parent in package.wanted_by:
            wants.setdefault(parent, set()).add(package.name)
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found and name not in without:
            found.add(name)
            todo += wants.get(name, ())
    return found
