"""Why a package deserves attention, computed from locks and facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.compat import hidden_requirements, recommendations
from torchpin.description import environments
from torchpin.documents.markdown import code, literal, paragraphs, prose, table
from torchpin.documents.sections import locked, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.model import Artifact, Environment, Lock, Service


def risks(service: Service, locks: Mapping[str, Lock]) -> str:
    """The risk table of a service; a row that not all of its environments have names those that do."""
    here = locked(service, locks)
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for env, lock in here:
        for name, told in reasons(env, lock).items():
            found.setdefault((name, told), []).append(code(env.name))
    order = list(dict.fromkeys(name for name, _ in found))
    rows = [
        (name if len(names) == len(here) else f"{name} in {', '.join(names)}", "\n".join(told))
        for (name, told), names in sorted(found.items(), key=lambda row: order.index(row[0][0]))
    ]
    nothing = "No package gives a reason." if here else ""
    body = table(("Package", "Why it deserves attention"), rows) if rows else nothing
    return paragraphs(body, missing(service, locks))


def reasons(env: Environment, lock: Lock) -> dict[str, tuple[str, ...]]:
    """The reasons of each package that has any, torch's family first, then as declared, then the others by name.

    A package that nobody declared stands here only for a conflict or an ABI.
    """
    layers = [canonicalize_name(one.name) for layer in env.service.layers for one in layer.packages]
    declared = list(dict.fromkeys([*env.service.torch.family, *layers]))
    conflicts = {name: _conflicts(name, lock) for name in lock.all}
    others = sorted(
        name for name in lock.all if conflicts[name] or name in facts.abi_packages() if name not in declared
    )
    optional = {one.name for layer in lock.layers if layer.optional for one in layer.packages}
    outside = _outside(env, lock)
    standings = hidden_requirements.standings(env, lock)
    found: dict[str, tuple[str, ...]] = {}
    for name in [*declared, *others]:
        package = lock.all.get(name)
        if package is None:
            continue
        told = (
            *_file(package),
            *(["optional: the image may go without it"] if name in optional else []),
            *_native(env, name),
            *conflicts[name],
            *(_floor(one) for one in standings if one.package == name and _matters(env, one)),
            *outside.get(name, ()),
        )
        if told:
            found[name] = told
    return found


def _file(package: Artifact) -> list[str]:
    """What the locked file itself tells."""
    if package.is_source:
        return ["source only: it is built while the image is"]
    platform = package.filename.removesuffix(".whl").rpartition("-")[2]
    found = [f"compiled, for {code(platform)}"] if platform != "any" else []
    if package.name in facts.abi_packages():
        found.append(
            "ABI-bound: its file fits one series of torch, one CUDA major, one C++11 ABI and one Python"
        )
        own = next((row for row in facts.wheels() if row.filename == package.filename), None)
        platforms = {row.platform for row in facts.wheels() if own and _same(row, own)}
        found += _without(machine for machine in _machines() if own and f"linux_{machine}" not in platforms)
    return found


def _same(one: facts.Wheel, other: facts.Wheel) -> bool:
    """The same wheel for another platform."""
    keys = ("package", "version", "torch", "cuda", "abi", "python")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def _machines() -> list[str]:
    return [machine for platform, machine in environments.MACHINES.items() if platform.startswith("linux/")]


def _without(machines: Iterable[str]) -> list[str]:
    names = ", ".join(machines)
    return [f"no wheel for {names}"] if names else []


def _native(env: Environment, name: str) -> list[str]:
    """What a package needs of the system, and whether the description installs it."""
    known = facts.needs(name)
    if known is None:
        return []
    found = []
    wanted = known.on(environments.MACHINES[env.variant.platform])
    if wanted:
        lacking = [one for one in wanted if one not in env.service.apt]
        state = f"**apt does not list {', '.join(lacking)}**" if lacking else "apt lists it"
        found.append(f"needs {', '.join(map(code, wanted))} of the system: {state}")
    if known.machines:
        told = _without(machine for machine in _machines() if machine not in known.machines)
        found += [f"{one}{'' if known.sdist else ', and nothing to build from'}" for one in told]
    return found


def _conflicts(name: str, lock: Lock) -> list[str]:
    """Which installed packages write the same files."""
    found = []
    for conflict in facts.conflicts():
        others = [one for one in conflict.names if one != name and one in lock.all]
        if name in conflict.names and others:
            found.append(f"**shares files with {', '.join(others)}**: {prose(conflict.because)}")
    return found


def _matters(env: Environment, one: hidden_requirements.Standing) -> bool:
    gpus = map(facts.gpu, env.service.gpus)
    cuda = environments.torch_build(env) != "cpu"
    return not one.floor.capability or (
        cuda and any(hidden_requirements.concerns(one.floor, gpu) for gpu in gpus)
    )


def _floor(one: hidden_requirements.Standing) -> str:
    only = f", for {prose(one.floor.only)}" if one.floor.only else ""
    told = (
        f"asks for {literal(one.floor.needs)}{only}, which no resolver is told ({prose(one.floor.because)})"
    )
    state = f"it has {one.found}" if one.holds else f"**not satisfied, {one.found}**"
    return f"{told}: {state}"


def _outside(env: Environment, lock: Lock) -> dict[str, list[str]]:
    """Where a locked version is not what a source's own requirements ask for."""
    upstreams = {f"{one.source} {one.tag}" for one in lock.upstreams}
    found: dict[str, list[str]] = {}
    for one in recommendations.deviations(env, lock):
        for by, words in one.says if not one.choice else ():
            if by in upstreams:
                how = "newer than" if _newer(one.used, words) else "outside"
                found.setdefault(canonicalize_name(one.component), []).append(
                    f"{how} what {prose(by)} asks ({literal(words)})"
                )
    return found


def _newer(used: str, words: str) -> bool:
    """Whether a version is above every one that a specifier names."""
    try:
        named: Sequence[Version] = [Version(one.version.removesuffix(".*")) for one in SpecifierSet(words)]
        return bool(named) and Version(used) > max(named)
    except (InvalidSpecifier, InvalidVersion):
        return False
