"""Why a pin is what it is: where it is written, who wants it, what it pulls, which facts allow it, what it deviates from."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import pins, recommendations
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Artifact, Environment, LayerLock, Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """The chain of one pin. `path`: from a declared package to it; `pulls`: what comes only or also through it."""

    environment: str
    component: str
    used: str
    where: str = ""
    path: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
    size: int | None = None
    layer: str = ""
    origin: str = ""
    pulls: tuple[str, ...] = ()
    pulled_bytes: int = 0
    wanted_by: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    says: tuple[tuple[str, str], ...] = ()
    deviates: str = ""
    because: str = ""
    evidence: str = ""
    waivers: tuple[str, ...] = ()


def why(env: Environment, lock: Lock | None, results: Sequence[Result], component: str) -> Why:
    """Raises InputError with near names for a component that the environment does not have."""
    used = recommendations.used(env, lock)
    name = _known(env, used, component)
    pin = pins.pins(env, lock).get(name)
    artifact, layer = _locked(lock, name)
    pulls = _pulls(lock, name)
    subjects = _subjects(env, name)
    deviation = _deviation(env, lock, name)
    return Why(
        environment=env.name,
        component=name,
        used=used[name],
        where=_where(env, name, pin),
        path=_path(env, lock, name),
        file=artifact.filename if artifact else "",
        sha256=artifact.sha256 if artifact else "",
        size=artifact.size if artifact else None,
        layer=layer.name if layer else "",
        origin=layer.origin if layer else "",
        pulls=tuple(sorted(pulls)),
        pulled_bytes=sum(one.size or 0 for one in pulls.values()),
        wanted_by=artifact.wanted_by if artifact else (),
        allowed=tuple(
            f"{row.check}: {one.evidence}" for row in results for one in row.grounds if one.about in subjects
        ),
        findings=tuple(
            f"{row.check}: {one.message}" for row in results for one in row.findings if one.about in subjects
        ),
        unknown=tuple(
            f"{row.check}: {one}" for row in results for one in row.unknown if component in one.split()
        ),
        says=_says(env, lock, name),
        deviates=deviation.get("deviates", ""),
        because=deviation.get("because", ""),
        evidence=deviation.get("evidence", ""),
        waivers=tuple(
            f"{one.check} until {one.review_by}: {one.reason}"
            for one in env.service.waivers
            if one.about in subjects
        ),
    )


def _known(env: Environment, used: Mapping[str, str], component: str) -> str:
    """The component as `compare.used` spells it: a package in any spelling, a source, a GPU by any of its names."""
    card = facts.gpu(component)
    for name in used:
        if name == component or canonicalize_name(name) == canonicalize_name(component):
            return name
        if card is not None and facts.gpu(name) == card:
            return name
    near = get_close_matches(component, list(used), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`invoke export` shows every package"
    raise InputError(f"{env.name} has no {component!r} ({hint})")


def _subjects(env: Environment, name: str) -> set[str]:
    """What the judge's checks may call it: a base is named by its image, CUDA and channels by their channel."""
    more = {
        "base": {env.base.image},
        "cuda": {env.variant.channel},
        "torch": {env.variant.channel},
        "python": {"Python"},
    }
    floors = {one.id for one in facts.floors() if canonicalize_name(Requirement(one.when).name) == name}
    return {name} | more.get(name, set()) | floors


def _where(env: Environment, name: str, pin: pins.Pin | None) -> str:
    if pin and pin.path:
        return pin.where
    for number, source in enumerate(env.service.sources):
        if source.name == name:
            return str(env.service.marks.get(f"sources[{number}].tag") or env.service.file)
    for number, card in enumerate(env.service.gpus):
        if card == name:
            return str(env.service.marks.get(f"gpus[{number}]") or env.service.file)
    paths = {
        "base": f"variants.{env.variant.name}.base.image" if env.variant.base else "base.image",
        "python": "python",
        "cuda": f"variants.{env.variant.name}.channel",
    }
    mark = env.service.marks.get(paths.get(name, ""))
    return str(mark) if mark else (pin.where if pin else "")


def _locked(lock: Lock | None, name: str) -> tuple[Artifact | None, LayerLock | None]:
    layers = (*((lock.given,) if lock and lock.given else ()), *(lock.layers if lock else ()))
    found = ((one, layer) for layer in layers for one in layer.packages if one.name == name)
    return next(found, (None, None))


def _pulls(lock: Lock | None, name: str) -> dict[str, Artifact]:
    """Everything that is wanted by a package, directly or not."""
    everything = dict(lock.all) if lock else {}
    found: dict[str, Artifact] = {}
    todo = [name]
    while todo:
        parent = todo.pop()
        for one in everything.values():
            if parent in one.wanted_by and one.name not in found and one.name != name:
                found[one.name] = one
                todo.append(one.name)
    return found


def _path(env: Environment, lock: Lock | None, name: str) -> tuple[str, ...]:
    """The shortest way from what the service declares down to a package; only itself where it is declared."""
    everything = lock.all if lock else {}
    ways: list[tuple[str, ...]] = [(name,)] if name in everything else []
    seen = {name}
    while ways:
        way = ways.pop(0)
        for parent in everything[way[0]].wanted_by if way[0] in everything else ():
            if parent == env.service.name:
                return (parent, *way)
            if parent not in seen:
                seen.add(parent)
                ways.append((parent, *way))
    return ()


def _says(env: Environment, lock: Lock | None, name: str) -> tuple[tuple[str, str], ...]:
    advice = recommendations.advice(env, lock)
    return tuple(
        row
        for component, said in advice.items()
        if canonicalize_name(component) == canonicalize_name(name)
        for row in said
    )


def _deviation(env: Environment, lock: Lock | None, name: str) -> dict[str, str]:
    for one in recommendations.deviations(env, lock):
        if canonicalize_name(one.component) == canonicalize_name(name):
            said = "; ".join(f"{by} says {words}" for by, words in one.says)
            kind = "a choice inside the range" if one.choice else "it deviates"
            reason = one.reason
            return {
                "deviates": f"{kind}: {said}",
                "because": reason.because if reason else "",
                "evidence": reason.evidence if reason else "",
            }
    return {}


def lines(one: Why) -> Iterator[str]:
    """The chain in words, a line each; what is not there has none."""
    size = f", {one.size / 1e6:,.1f} MB" if one.size else ""
    yield f"{one.component} {one.used} in {one.environment}"
    rows = {
        "written": one.where,
        "wanted": " -> ".join(one.path),
        "wanted by": ", ".join(one.wanted_by),
        "locked": f"{one.file}{size}" if one.file else "",
        "hash": f"sha256:{one.sha256}" if one.sha256 else "",
        "layer": f"{one.layer}, from {one.origin}" if one.layer else "",
        "pulls": f"{len(one.pulls)} packages, {one.pulled_bytes / 1e6:,.0f} MB: {', '.join(one.pulls)}"
        if one.pulls
        else "",
    }
    yield from (f"  {name}: {value}" for name, value in rows.items() if value)
    yield from (f"  allowed by {row}" for row in one.allowed)
    yield from (f"  found: {row}" for row in one.findings)
    yield from (f"  unknown: {row}" for row in one.unknown)
    yield from (f"  {by} says {words}" for by, words in one.says)
    yield from (f"  {row}" for row in (one.deviates,) if row)
    yield from (f"    because: {row}" for row in (one.because,) if row)
    yield from (f"    evidence: {row}" for row in (one.evidence,) if row)
    yield from (f"  waived: {row}" for row in one.waivers)
