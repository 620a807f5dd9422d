"""Descriptions to what is to be done: environments, the split of a resolution into layers, images, keys."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin import facts
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.model import Artifact, Environment, LayerLock, Lock, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.requirements import Requirement
    from packaging.tags import Tag
    from packaging.version import Version

    from torchpin.facts import Wheel
    from torchpin.model import Layer

TORCH, TORCH_DEPS, GIVEN = "00-torch", "01-torch-deps", "00-given"
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "macos/arm64": "arm64"}
MACOS = (14, 0)  # the oldest that Apple still mends
GLIBC = 28  # glibc 2.28, what torch's own wheels ask for since 2.7; every base since Debian 10 has it


# --- environments ----------------------------------------------------------------------------------------------------


def environments(
    services: Iterable[Service], *, service: str = "", variant: str = ""
) -> tuple[Environment, ...]:
    """All environments, or those of one service and variant. Raises InputError for a name that nothing has."""
    known = {one.name: one for one in services}
    if service and service not in known:
        raise InputError(_no_such("service", service, known))
    chosen = [known[service]] if service else list(known.values())
    found = tuple(
        Environment(service=one, variant=each)
        for one in chosen
        for each in one.variants
        if variant in {"", each.name}
    )
    if not found:
        raise InputError(_no_such("variant", variant, {each.name for one in chosen for each in one.variants}))
    return found


def _no_such(kind: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f"There is no {kind} {name!r} ({hint})"


def mirror_variable(name: str) -> str:
    """The environment variable that replaces an address: of a channel, `pypi`, `python`, a source or a registry host."""
    return "TORCHPIN_MIRROR_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def uv_platform(platform: str) -> str:
    """A platform as uv calls it."""
    machine = MACHINES[platform]
    return "aarch64-apple-darwin" if platform.startswith("macos") else f"{machine}-manylinux_2_{GLIBC}"


def native(env: Environment, platform: str) -> Environment | None:
    """An environment as a machine without Docker has it: itself on its own platform, a CPU build on macOS, else None."""
    if env.variant.platform == platform:
        return env
    if platform.startswith("macos") and env.variant.channel == "cpu":
        return replace(env, variant=replace(env.variant, channel="pypi", platform=platform))
    return None


def index_url(channel: str) -> str | None:
    """The channel's canonical address; None for PyPI, which the clients find by themselves."""
    row = facts.channel(channel)
    return row.url if row and channel != "pypi" else None


def cuda(env: Environment) -> str | None:
    """The CUDA version that this environment's torch is built with, None for a CPU build or where no fact tells."""
    row = facts.channel(torch_build(env) or "")
    return row.cuda if row else None


def torch_build(env: Environment) -> str | None:
    """The local part that torch's own `__version__` must carry; None where no fact tells (or the build has none)."""
    if env.variant.platform.startswith("macos"):
        return "cpu"  # no CUDA there, whatever the index is called
    if env.variant.channel != "pypi":
        return env.variant.channel
    release = facts.release(str(env.service.torch.version))
    return release.pypi_local if release and env.variant.platform == "linux/amd64" else None


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


@cache
def _ranks(python: str, platform: str) -> Mapping[Tag, int]:
    major, minor = (int(part) for part in python.split(".")[:2])
    machine = MACHINES[platform]
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    if platform.startswith("macos"):
        platforms = list(mac_platforms(MACOS, machine))
    else:
        platforms = []
        for glibc in range(GLIBC, 4, -1):
            old = [f"{legacy[glibc]}_{machine}"] if glibc in legacy else []
            platforms += [f"manylinux_2_{glibc}_{machine}", *old]
        platforms.append(f"linux_{machine}")
    tags = [*cpython_tags((major, minor), platforms=platforms)]
    tags += compatible_tags((major, minor), f"cp{major}{minor}", platforms)
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def best(files: Iterable[Artifact], python: Version, platform: str) -> Artifact | None:
    """The one artifact for this Python and platform: the best wheel by its tags, else the source, else None."""
    ranks = _ranks(f"{python.major}.{python.minor}", platform)
    wheels, sources = [], []
    for file in files:
        if file.is_source:
            sources.append(file)
            continue
        try:
            _, _, build, tags = parse_wheel_filename(file.filename)
        except InvalidWheelFilename:
            continue  # old indexes list some; none of them can be installed by today's tools
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            wheels.append((-rank, build, file))
    if wheels:
        return max(wheels, key=lambda row: row[:2])[2]
    return min(sources, key=lambda file: not file.filename.endswith(".tar.gz"), default=None)


def abi_pin(layer: Layer) -> Requirement | None:
    """The pin of a layer that is a wheel with an ABI in its name, which torchpin chooses by itself."""
    found = [package for package in layer.packages if canonicalize_name(package.name) in facts.abi_packages()]
    if found and len(layer.packages) > 1:
        raise InputError(
            f"The layer {layer.name} holds {found[0].name}, a wheel of its own origin: give it a layer of its own."
        )
    return found[0] if found else None


def abi_wheels(env: Environment) -> dict[str, Wheel]:
    """The exact files of an environment's wheels with an ABI in their name, by package.

    Raises InputError with the pin's place and the facts' own sentence where none fits.
    """
    wheels: dict[str, Wheel] = {}
    for number, layer in enumerate(env.service.layers):
        pin = abi_pin(layer)
        if pin is None:
            continue
        found = facts.wheel(
            canonicalize_name(pin.name),
            next(iter(pin.specifier)).version,
            python=str(env.service.python),
            torch=str(env.service.torch.version),
            channel=env.variant.channel,
            machine=MACHINES[env.variant.platform],
        )
        if isinstance(found, facts.NoWheel):
            where = env.service.marks.get(f"layers[{number}].packages[0]") or env.service.file
            raise InputError(f"{where}: {pin}: {found}")
        wheels[canonicalize_name(pin.name)] = found
    return wheels


def pins(env: Environment, wheels: Mapping[str, Wheel]) -> tuple[str, ...]:
    """What one resolution of an environment must satisfy: every exact pin; of an ABI wheel, what it wants beside torch."""
    family = [f"{name}=={version}" for name, version in env.service.torch.family.items()]
    declared = [
        p for layer in env.service.layers for p in layer.packages if canonicalize_name(p.name) not in wheels
    ]
    wanted = [one for wheel in wheels.values() for one in wheel.requires]
    return (*family, *map(str, declared), *wanted)


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
