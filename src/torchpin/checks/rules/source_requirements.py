"""SRC002, SRC003: what a source asks for is there, or is not for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.checks.context import CheckContext, current_lock, location_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.sources import recorded_tags
from torchpin.compat.pins import list_pins
from torchpin.compat.recommendations import applicable_requirements, satisfies, used_components
from torchpin.description.environments import cuda_version
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Lock, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class _SourceRequirements:
    """A source's own requirements: who says them, and where they are written."""

    requirer: str
    evidence: str
    requirements: tuple[Requirement, ...]


def _requirements_row(source: Source) -> SourceTag | None:
    """What is known of a source's requirements: at its tag, or where that never was, at the recorded commit."""
    rows = [row for row in recorded_tags(source) if row.exists and row.pins]
    by_tag = next((row for row in rows if row.tag == source.tag), None)
    return by_tag or next((row for row in rows if row.commit == source.commit), None)


@check("SRC002", "What a source asks for is met, or differs for a reason", judge=True)
def requirements_are_met(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Pin what the source pins, or write under `reasons:` why not, with the evidence.

    The versions in a source's own requirements are the ones that its authors ran. Others may work, and whoever chose
    them should say why.

    Example: kohya-ss/sd-scripts pins accelerate==1.6.0 at v0.10.0, and `accelerate==0.25.0` is described.

    Sources: the requirements file at the locked commit (`upstream-<source>.txt` of the lock), or the recorded one.
    """
    lock = current_lock(evidence, env)
    for number, source in enumerate(env.service.sources):
        required = _source_requirements(env, source, lock)
        if required is None:
            message = f"what {source.name} {source.tag} asks for is neither locked nor in the facts"
            yield Unknown(message=message, about=source.name)
        else:
            yield from _compare_requirements(env, lock, number, required)


def _source_requirements(env: Environment, source: Source, lock: Lock | None) -> _SourceRequirements | None:
    locked = (
        next((upstream for upstream in lock.upstreams if upstream.source == source.name), None)
        if lock
        else None
    )
    if locked:
        by, lines = locked.tag, locked.requirements
        evidence = f"lockfiles/{env.name}/upstream-{source.name}.txt"
    elif row := _requirements_row(source):
        by, lines = row.tag, tuple(f"{name}{specifier}" for name, specifier in row.pins.items())
        evidence = f"{row.requirements_source} ({row.date})"
    else:
        return None
    requirements = tuple(applicable_requirements(lines, env))
    return _SourceRequirements(requirer=f"{source.name} {by}", evidence=evidence, requirements=requirements)


def _compare_requirements(
    env: Environment, lock: Lock | None, number: int, required: _SourceRequirements
) -> Iterator[Answer]:
    values = used_components(env, lock)
    reasons = {canonicalize_name(reason.component) for reason in env.service.reasons}
    states: dict[str, list[str]] = {"agrees": [], "differs": [], "explained": [], "untold": []}
    for requirement in required.requirements:
        name = canonicalize_name(requirement.name)
        state = _requirement_state(requirement, values.get(name), locked=lock is not None)
        state = "explained" if state == "differs" and name in reasons else state
        states[state].append(name)
        if state == "differs":
            yield _requirement_differs(env, lock, number, requirement, required)
    if states["untold"]:
        names = ", ".join(states["untold"])
        message = f"{required.requirer} asks for {names}, which nobody pins here: only a lock tells whether they come along"
        yield Unknown(message=message, about=required.requirer)
    if states["agrees"] or states["explained"]:
        named = f" ({', '.join(states['explained'])})" if states["explained"] else ""
        counts = f"{len(states['agrees'])} agree, {len(states['explained'])} differ with a reason{named}"
        text = f"{required.requirer} asks for {len(required.requirements)} packages: {counts} ({required.evidence})"
        yield Ok(about=required.requirer, evidence=text)


def _requirement_state(requirement: Requirement, value: str | None, *, locked: bool) -> str:
    if value is None:
        return "differs" if locked else "untold"
    return "agrees" if satisfies(str(requirement.specifier) or "any", value) else "differs"


def _requirement_differs(
    env: Environment, lock: Lock | None, number: int, requirement: Requirement, required: _SourceRequirements
) -> Finding:
    name = canonicalize_name(requirement.name)
    pin = list_pins(env, lock).get(name)
    exact = pin is not None and pin.path.startswith("layers[") and str(requirement.specifier).startswith("==")
    requirement_text = str(requirement).partition(";")[0].strip()
    used = f"{name} {pin.version} is used" if pin else f"{name} is not installed"
    return finding(
        env,
        pin.location if pin else location_of(env.service, f"sources[{number}].tag"),
        f"{required.requirer} asks for {requirement_text}; {used}, without a reason",
        help=f"Write `- {requirement_text}`, or why not under `reasons:` as `{name}:` with `because` and `evidence`.",
        about=name,
        evidence=required.evidence,
        level="warning",
        fix=[Change(path=pin.path, value=requirement_text)] if pin and exact else (),
    )


@check("SRC003", "The source's least torch, Python and CUDA are there", judge=True)
def minimums_are_met(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Raise what the finding names, or waive it where a run of yours shows that it works.

    A source may name the least torch in its README alone, where no resolver looks.

    Example: kohya-ss/sd-scripts v0.10.0 needs torch 2.6.0 or later, and torch 2.5.1 is described.

    Sources: README and requirements of the source at the tag, as recorded.
    """
    del evidence
    for source in env.service.sources:
        row = _requirements_row(source)
        if row is None:
            message = f"the least torch, Python and CUDA of {source.name} {source.tag} are not in the facts"
            yield Unknown(message=message, about=source.name)
        elif not any((row.min_torch, row.min_python, row.min_cuda)):
            tested = f", and was tested with torch {row.tested_torch}" if row.tested_torch else ""
            text = f"{row.tag} names no least version{tested} ({row.requirements_source}; {row.date})"
            yield Ok(about=source.name, evidence=text)
        else:
            yield from _check_minimums(env, source, row)


def _check_minimums(env: Environment, source: Source, row: SourceTag) -> Iterator[Answer]:
    rows = (
        ("torch", "torch.version", str(env.service.torch.version), row.min_torch),
        ("Python", "python", str(env.service.python), row.min_python),
        ("CUDA", f"variants.{env.variant.name}.channel", cuda_version(env), row.min_cuda),
    )
    evidence = f"{row.requirements_source} ({row.date})"
    for name, path, described, minimum in rows:
        if not described or not minimum:
            continue
        if Version(described) >= Version(minimum):
            text = f"{row.tag} needs {name} {minimum} or later; {described} is described ({evidence})"
            yield Ok(about=f"{source.name} {name}", evidence=text)
            continue
        yield finding(
            env,
            location_of(env.service, path),
            f"{source.name} {row.tag} needs {name} {minimum} or later, and {name} {described} is described",
            help=f"Raise {name} to {minimum} or later, or waive this where a run of yours shows that it works.",
            about=name,
            evidence=evidence,
            level="warning",
        )
