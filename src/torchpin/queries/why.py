"""Why a pin is what it is: where it is written, who wants it, what it pulls, which facts allow it, what it deviates from."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.pins import Pin, list_pins
from torchpin.compat.recommendations import compute_deviations, list_recommendations, used_components
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Artifact, Environment, LayerLock, Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The chain of one pin. `path`: from a declared package to it; `pulls`: what comes only or also through it."""

    environment: str
    component: str
    version: str
    location: str = ""
    path: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
    size: int | None = None
    layer: str = ""
    origin: str = ""
    dependencies: tuple[str, ...] = ()
    dependency_bytes: int = 0
    required_by: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    recommendations: tuple[tuple[str, str], ...] = ()
    deviates: str = ""
    because: str = ""
    evidence: str = ""
    waivers: tuple[str, ...] = ()


def explain_component(
    env: Environment, lock: Lock | None, results: Sequence[Result], component: str
) -> Explanation:
    """Raises InputError with near names for a component that the environment does not have."""
    components = used_components(env, lock)
    name = _resolve_component(env, components, component)
    pin = list_pins(env, lock).get(name)
    artifact, layer = _locked_artifact(lock, name)
    pulls = _transitive_dependencies(lock, name)
    subjects = _aliases(env, name)
    deviation = _deviation(env, lock, name)
    return Explanation(
        environment=env.name,
        component=name,
        version=components[name],
        location=_location(env, name, pin),
        path=_shortest_path(env, lock, name),
        file=artifact.filename if artifact else "",
        sha256=artifact.sha256 if artifact else "",
        size=artifact.size if artifact else None,
        layer=layer.name if layer else "",
        origin=layer.origin if layer else "",
        dependencies=tuple(sorted(pulls)),
        dependency_bytes=sum(pulled.size or 0 for pulled in pulls.values()),
        required_by=artifact.required_by if artifact else (),
        allowed=tuple(
            f"{result.check}: {basis.evidence}"
            for result in results
            for basis in result.evidence
            if basis.about in subjects
        ),
        findings=tuple(
            f"{result.check}: {finding.message}"
            for result in results
            for finding in result.findings
            if finding.about in subjects
        ),
        unknown=tuple(
            f"{result.check}: {message}"
            for result in results
            for message in result.unknown
            if component in message.split()
        ),
        recommendations=_recommendations(env, lock, name),
        deviates=deviation.get("deviates", ""),
        because=deviation.get("because", ""),
        evidence=deviation.get("evidence", ""),
        waivers=tuple(
            f"{waiver.check} until {waiver.review_by}: {waiver.reason}"
            for waiver in env.service.waivers
            if waiver.about in subjects
        ),
    )


def _resolve_component(env: Environment, components: Mapping[str, str], component: str) -> str:
    """The component as `compare.used` spells it: a package in any spelling, a source, a GPU by any of its names."""
    gpu = facts.gpu(component)
    for name in components:
        if name == component or canonicalize_name(name) == canonicalize_name(component):
            return name
        if gpu is not None and facts.gpu(name) == gpu:
            return name
    suggestions = get_close_matches(component, list(components), n=3)
    hint = f"did you mean {', '.join(suggestions)}?" if suggestions else "`invoke export` shows every package"
    raise InputError(f"{env.name} has no {component!r} ({hint})")


def _aliases(env: Environment, name: str) -> set[str]:
    """What the judge's checks may call it: a base is named by its image, CUDA and channels by their channel."""
    aliases = {
        "base": {env.base.image},
        "cuda": {env.variant.channel},
        "torch": {env.variant.channel},
        "python": {"Python"},
    }
    requirement_ids = {
        undeclared.id
        for undeclared in facts.floors()
        if canonicalize_name(Requirement(undeclared.when).name) == name
    }
    return {name} | aliases.get(name, set()) | requirement_ids


def _location(env: Environment, name: str, pin: Pin | None) -> str:
    if pin and pin.path:
        return pin.location
    for number, source in enumerate(env.service.sources):
        if source.name == name:
            return str(env.service.positions.get(f"sources[{number}].tag") or env.service.file)
    for number, gpu in enumerate(env.service.gpus):
        if gpu == name:
            return str(env.service.positions.get(f"gpus[{number}]") or env.service.file)
    paths = {
        "base": f"variants.{env.variant.name}.base.image" if env.variant.base else "base.image",
        "python": "python",
        "cuda": f"variants.{env.variant.name}.channel",
    }
    position = env.service.positions.get(paths.get(name, ""))
    return str(position) if position else (pin.location if pin else "")


def _locked_artifact(lock: Lock | None, name: str) -> tuple[Artifact | None, LayerLock | None]:
    layers = (*((lock.provided,) if lock and lock.provided else ()), *(lock.layers if lock else ()))
    matches = ((artifact, layer) for layer in layers for artifact in layer.packages if artifact.name == name)
    return next(matches, (None, None))


def _transitive_dependencies(lock: Lock | None, name: str) -> dict[str, Artifact]:
    """Everything that is wanted by a package, directly or not."""
    packages = dict(lock.all_packages) if lock else {}
    pulled: dict[str, Artifact] = {}
    pending = [name]
    while pending:
        parent = pending.pop()
        for artifact in packages.values():
            if parent in artifact.required_by and artifact.name not in pulled and artifact.name != name:
                pulled[artifact.name] = artifact
                pending.append(artifact.name)
    return pulled


def _shortest_path(env: Environment, lock: Lock | None, name: str) -> tuple[str, ...]:
    """The shortest way from what the service declares down to a package; only itself where it is declared."""
    packages = lock.all_packages if lock else {}
    paths: list[tuple[str, ...]] = [(name,)] if name in packages else []
    seen = {name}
    while paths:
        path = paths.pop(0)
        for parent in packages[path[0]].required_by if path[0] in packages else ():
            if parent == env.service.name:
                return (parent, *path)
            if parent not in seen:
                seen.add(parent)
                paths.append((parent, *path))
    return ()


def _recommendations(env: Environment, lock: Lock | None, name: str) -> tuple[tuple[str, str], ...]:
    recommendations = list_recommendations(env, lock)
    return tuple(
        row
        for component, recommended in recommendations.items()
        if canonicalize_name(component) == canonicalize_name(name)
        for row in recommended
    )


def _deviation(env: Environment, lock: Lock | None, name: str) -> dict[str, str]:
    for deviation in compute_deviations(env, lock):
        if canonicalize_name(deviation.component) == canonicalize_name(name):
            statements = "; ".join(f"{source} says {text}" for source, text in deviation.recommendations)
            kind = "a choice inside the range" if deviation.is_choice else "it deviates"
            reason = deviation.reason
            return {
                "deviates": f"{kind}: {statements}",
                "because": reason.because if reason else "",
                "evidence": reason.evidence if reason else "",
            }
    return {}


def explanation_lines(chain: Explanation) -> Iterator[str]:
    """The chain in words, a line each; what is not there has none."""
    size = f", {chain.size / 1e6:,.1f} MB" if chain.size else ""
    yield f"{chain.component} {chain.version} in {chain.environment}"
    rows = {
        "written": chain.location,
        "wanted": " -> ".join(chain.path),
        "wanted by": ", ".join(chain.required_by),
        "locked": f"{chain.file}{size}" if chain.file else "",
        "hash": f"sha256:{chain.sha256}" if chain.sha256 else "",
        "layer": f"{chain.layer}, from {chain.origin}" if chain.layer else "",
        "pulls": f"{len(chain.dependencies)} packages, {chain.dependency_bytes / 1e6:,.0f} MB: {', '.join(chain.dependencies)}"
        if chain.dependencies
        else "",
    }
    yield from (f"  {name}: {value}" for name, value in rows.items() if value)
    yield from (f"  allowed by {row}" for row in chain.allowed)
    yield from (f"  found: {row}" for row in chain.findings)
    yield from (f"  unknown: {row}" for row in chain.unknown)
    yield from (f"  {source} says {text}" for source, text in chain.recommendations)
    yield from (f"  {row}" for row in (chain.deviates,) if row)
    yield from (f"    because: {row}" for row in (chain.because,) if row)
    yield from (f"    evidence: {row}" for row in (chain.evidence,) if row)
    yield from (f"  waived: {row}" for row in chain.waivers)
