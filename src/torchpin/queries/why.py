"""Why a component has its version: its declaration, what requires it, its dependencies, evidence and deviations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.pins import Pin, list_pins
from torchpin.compat.recommendations import compute_deviations, list_recommendations, used_components
from torchpin.description.environments import base_path
from torchpin.errors import InputError
from torchpin.lock.dependencies import required_closure
from torchpin.lock.export import FILE_ORIGINS
from torchpin.quantities import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Artifact, Environment, LayerLock, Lock

_SOURCES = re.compile(r": | \(")  # between what is right and the facts that show it
_SHOWN_LARGEST = 5  # of the packages that a component requires


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The explanation of one component, a GPU or the base image as much as a package.

    `location`: where the description declares it; `path`: the shortest from the service to it along requirements;
    `dependencies`: everything that it requires, directly or not; `allowed`: what the judge's checks hold to be right
    about it.
    """

    environment: str
    component: str
    version: str
    location: str = ""
    path: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
    size: int | None = None
    unpacked: int | None = None
    layer: str = ""
    origin: str = ""
    dependencies: tuple[str, ...] = ()
    dependency_bytes: int = 0
    largest_dependencies: tuple[tuple[str, int], ...] = ()
    required_by: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    recommendations: tuple[tuple[str, str], ...] = ()
    deviates: str = ""
    because: str = ""
    evidence: str = ""
    waivers: tuple[str, ...] = ()


def explain_component(
    env: Environment, lock: Lock | None, results: Sequence[Result], component: str
) -> Explanation:
    """Explains a component of an environment. Raises InputError with near names for one that it does not have."""
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
        unpacked=_unpacked_size(lock, artifact),
        layer=layer.name if layer else "",
        origin=FILE_ORIGINS.get(artifact.origin, layer.origin) if layer and artifact else "",
        dependencies=tuple(sorted(pulls)),
        dependency_bytes=sum(pulled.size or 0 for pulled in pulls.values()),
        largest_dependencies=_largest(pulls),
        required_by=artifact.required_by if artifact else (),
        **_check_messages(results, component, subjects),
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


def _check_messages(
    results: Sequence[Result], component: str, subjects: set[str]
) -> dict[str, tuple[str, ...]]:
    """The fields of an explanation that say what checks hold about a component, each message as `CHECK: message`."""
    allowed: list[str] = []
    findings: list[str] = []
    notices: list[str] = []
    unknown: list[str] = []
    for result in results:
        allowed += [f"{result.check}: {ok.evidence}" for ok in result.evidence if ok.about in subjects]
        for messages, reported in ((findings, result.findings), (notices, result.notices)):
            messages += [
                f"{result.check}: {finding.message}" for finding in reported if finding.about in subjects
            ]
        # Results keep only the message of what is unknown, not what it is about.
        unknown += [
            f"{result.check}: {message}" for message in result.unknown if component in message.split()
        ]
    return {
        "allowed": tuple(allowed),
        "findings": tuple(findings),
        "notices": tuple(notices),
        "unknown": tuple(unknown),
    }


def _resolve_component(env: Environment, components: Mapping[str, str], component: str) -> str:
    """The name in `used_components` of a package in any spelling, a source, or a GPU by any of its names."""
    gpu = facts.gpu(component)
    for name in components:
        if canonicalize_name(name) == canonicalize_name(component) or facts.is_same_gpu(name, component):
            return name
    suggestions = get_close_matches(component, list(components), n=3)
    if gpu is not None:
        listed = ", ".join(env.service.gpus) or "none"
        raise InputError(
            f"{env.service.file} does not list {component!r} under `gpus:` (listed: {listed}); "
            f"`invoke support --every --service {env.service.name}` shows whether it would run"
        )
    hint = (
        f"did you mean {', '.join(suggestions)}?"
        if suggestions
        else f"`invoke export --service {env.service.name}` lists every package"
    )
    raise InputError(f"{env.name} has no {component!r} ({hint})")


def _aliases(env: Environment, name: str) -> set[str]:
    """All that findings and evidence name a component by: the base by its image, torch and CUDA by their channel too."""
    aliases = {
        "base": {env.base.image},
        "cuda": {env.variant.channel},
        "torch": {env.variant.channel},
        "python": {"Python"},
    }
    requirement_ids = {
        undeclared.id
        for undeclared in facts.undeclared_requirements()
        if canonicalize_name(Requirement(undeclared.when).name) == name
    }
    return {name} | aliases.get(name, set()) | requirement_ids


def _location(env: Environment, name: str, pin: Pin | None) -> str:
    if pin and pin.path:
        return pin.location
    for number, source in enumerate(env.service.sources):
        if source.name == name:
            return env.service.location(f"sources[{number}].{'tag' if source.tag else 'commit'}")
    for number, gpu in enumerate(env.service.gpus):
        if gpu == name:
            return env.service.location(f"gpus[{number}]")
    paths = {
        "base": f"{base_path(env)}.image",
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
    """Everything that a package requires, directly or not, by name."""
    packages = lock.all_packages if lock else {}
    return {
        dependency: packages[dependency]
        for dependency in required_closure(packages.values(), [name]) - {name}
    }


def _shortest_path(env: Environment, lock: Lock | None, name: str) -> tuple[str, ...]:
    """The shortest path of requirements from the service to a package; empty for what the lock does not have."""
    packages = lock.all_packages if lock else {}
    paths: list[tuple[str, ...]] = [(name,)] if name in packages else []
    seen = {name}
    while paths:
        path = paths.pop(0)  # breadth first: the first path that reaches the service is the shortest
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
            kind = "a choice inside the range" if deviation.is_choice else "deviates"
            reason = deviation.reason
            return {
                "deviates": f"{kind}: {statements}",
                "because": reason.because if reason else "",
                "evidence": reason.evidence if reason else "",
            }
    return {}


def _unpacked_size(lock: Lock | None, artifact: Artifact | None) -> int | None:
    """The bytes of a package on a disk; None where its lock does not say it."""
    wheels = lock.wheels if lock and artifact else ()
    return (
        next((wheel.unpacked for wheel in wheels if artifact and wheel.sha256 == artifact.sha256), 0) or None
    )


def _largest(pulls: Mapping[str, Artifact]) -> tuple[tuple[str, int], ...]:
    """The largest of several packages with the bytes of their files, the largest first."""
    sized = [(name, package.size) for name, package in pulls.items() if package.size]
    return tuple(sorted(sized, key=lambda entry: (-entry[1], entry[0]))[:_SHOWN_LARGEST])


def explanation_lines(explanation: Explanation, *, verbose: bool = False) -> Iterator[str]:
    """The explanation as text, a line for each thing that is known; `verbose`: with all evidence, and every dependency."""
    size = f", {format_bytes(explanation.size)}" if explanation.size else ""
    size += f", {format_bytes(explanation.unpacked)} unpacked" if explanation.unpacked else ""
    pulled = (
        f"{count(len(explanation.dependencies), 'package')}, {format_bytes(explanation.dependency_bytes)}"
    )
    named = f": {', '.join(explanation.dependencies)}" if verbose else ""
    yield f"{explanation.component} {explanation.version} in {explanation.environment}"
    rows = {
        "declared at": explanation.location,
        "required through": " -> ".join(explanation.path),
        "required by": ", ".join(explanation.required_by),
        "file": f"{explanation.file}{size}" if explanation.file else "",
        "hash": f"sha256:{explanation.sha256}" if explanation.sha256 else "",
        "layer": f"{explanation.layer}, from {explanation.origin}" if explanation.layer else "",
        "dependencies": f"{pulled}{named}" if explanation.dependencies else "",
        "largest of them": ", ".join(
            f"{name} {format_bytes(size)}" for name, size in explanation.largest_dependencies
        ),
    }
    yield from (f"  {label}: {text}" for label, text in rows.items() if text)
    checked = {
        "ok": explanation.allowed,
        "finding": explanation.findings,
        "notice": explanation.notices,
        "unknown": explanation.unknown,
    }
    for kind, messages in checked.items():
        for check, _, text in (message.partition(": ") for message in messages):
            is_claim_enough = kind == "ok" and not verbose
            yield f"  {kind}[{check}] {_SOURCES.split(text)[0] if is_claim_enough else text}"
    yield from (f"  recommended: {text} ({source})" for source, text in explanation.recommendations)
    if explanation.deviates:
        yield f"  {explanation.deviates}"
    if explanation.because:
        yield f"    reason: {explanation.because}"
    if explanation.evidence and verbose:
        yield f"    evidence: {explanation.evidence}"
    yield from (f"  waived: {waiver}" for waiver in explanation.waivers)
