"""SRC002, SRC003: what a source asks for is there, or is not for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.checks.context import Evidence, at, lock_of
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.checks.rules.sources import known_tags
from torchpin.compat import pins, recommendations
from torchpin.description import environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Lock, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A source's own requirements: who says them, and where they are written."""

    by: str
    grounds: str
    requirements: tuple[Requirement, ...]


def _row(source: Source) -> SourceTag | None:
    """What is known of a source's requirements: at its tag, or where that never was, at the recorded commit."""
    known = [one for one in known_tags(source) if one.exists and one.pins]
    by_tag = next((one for one in known if one.tag == source.tag), None)
    return by_tag or next((one for one in known if one.commit == source.commit), None)


@check("SRC002", "What a source asks for is met, or differs for a reason", judge=True)
def requirements_are_met(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Pin what the source pins, or write under `reasons:` why not, with the evidence.

    The versions in a source's own requirements are the ones that its authors ran. Others may work, and whoever chose
    them should say why.

    Example: kohya-ss/sd-scripts pins accelerate==1.6.0 at v0.10.0, and `accelerate==0.25.0` is described.

    Sources: the requirements file at the locked commit (`upstream-<source>.txt` of the lock), or the recorded one.
    """
    lock = lock_of(evidence, env)
    for number, source in enumerate(env.service.sources):
        asked = _asked(env, source, lock)
        if asked is None:
            message = f"what {source.name} {source.tag} asks for is neither locked nor in the facts"
            yield Unknown(message=message, about=source.name)
        else:
            yield from _compared(env, lock, number, asked)


def _asked(env: Environment, source: Source, lock: Lock | None) -> _Asked | None:
    locked = next((one for one in lock.upstreams if one.source == source.name), None) if lock else None
    if locked:
        by, lines = locked.tag, locked.requirements
        grounds = f"lockfiles/{env.name}/upstream-{source.name}.txt"
    elif row := _row(source):
        by, lines = row.tag, tuple(f"{name}{says}" for name, says in row.pins.items())
        grounds = f"{row.asked} ({row.date})"
    else:
        return None
    found = tuple(recommendations.requirements(lines, env))
    return _Asked(by=f"{source.name} {by}", grounds=grounds, requirements=found)


def _compared(env: Environment, lock: Lock | None, number: int, asked: _Asked) -> Iterator[Answer]:
    values = recommendations.used(env, lock)
    reasons = {canonicalize_name(one.component) for one in env.service.reasons}
    states: dict[str, list[str]] = {"agrees": [], "differs": [], "explained": [], "untold": []}
    for one in asked.requirements:
        name = canonicalize_name(one.name)
        state = _state(one, values.get(name), locked=lock is not None)
        state = "explained" if state == "differs" and name in reasons else state
        states[state].append(name)
        if state == "differs":
            yield _differs(env, lock, number, one, asked)
    if states["untold"]:
        names = ", ".join(states["untold"])
        message = (
            f"{asked.by} asks for {names}, which nobody pins here: only a lock tells whether they come along"
        )
        yield Unknown(message=message, about=asked.by)
    if states["agrees"] or states["explained"]:
        named = f" ({', '.join(states['explained'])})" if states["explained"] else ""
        counts = f"{len(states['agrees'])} agree, {len(states['explained'])} differ with a reason{named}"
        told = f"{asked.by} asks for {len(asked.requirements)} packages: {counts} ({asked.grounds})"
        yield Ok(about=asked.by, evidence=told)


def _state(asked: Requirement, value: str | None, *, locked: bool) -> str:
    if value is None:
        return "differs" if locked else "untold"
    return "agrees" if recommendations.satisfied(str(asked.specifier) or "any", value) else "differs"


def _differs(env: Environment, lock: Lock | None, number: int, one: Requirement, asked: _Asked) -> Finding:
    name = canonicalize_name(one.name)
    pin = pins.pins(env, lock).get(name)
    exact = pin is not None and pin.path.startswith("layers[") and str(one.specifier).startswith("==")
    wish = str(one).partition(";")[0].strip()
    used = f"{name} {pin.version} is used" if pin else f"{name} is not installed"
    return finding(
        env,
        pin.where if pin else at(env.service, f"sources[{number}].tag"),
        f"{asked.by} asks for {wish}; {used}, without a reason",
        remedy=f"Write `- {wish}`, or why not under `reasons:` as `{name}:` with `because` and `evidence`.",
        about=name,
        evidence=asked.grounds,
        level="warning",
        repair=[Change(path=pin.path, value=wish)] if pin and exact else (),
    )


@check("SRC003", "The source's least torch, Python and CUDA are there", judge=True)
def ground_is_enough(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Raise what the finding names, or waive it where a run of yours shows that it works.

    A source may name the least torch in its README alone, where no resolver looks.

    Example: kohya-ss/sd-scripts v0.10.0 needs torch 2.6.0 or later, and torch 2.5.1 is described.

    Sources: README and requirements of the source at the tag, as recorded.
    """
    del evidence
    for source in env.service.sources:
        row = _row(source)
        if row is None:
            message = f"the least torch, Python and CUDA of {source.name} {source.tag} are not in the facts"
            yield Unknown(message=message, about=source.name)
        elif not any((row.min_torch, row.min_python, row.min_cuda)):
            tested = f", and was tested with torch {row.tested_torch}" if row.tested_torch else ""
            told = f"{row.tag} names no least version{tested} ({row.asked}; {row.date})"
            yield Ok(about=source.name, evidence=told)
        else:
            yield from _grounds(env, source, row)


def _grounds(env: Environment, source: Source, row: SourceTag) -> Iterator[Answer]:
    rows = (
        ("torch", "torch.version", str(env.service.torch.version), row.min_torch),
        ("Python", "python", str(env.service.python), row.min_python),
        ("CUDA", f"variants.{env.variant.name}.channel", environments.cuda(env), row.min_cuda),
    )
    grounds = f"{row.asked} ({row.date})"
    for name, path, there, least in rows:
        if not there or not least:
            continue
        if Version(there) >= Version(least):
            told = f"{row.tag} needs {name} {least} or later; {there} is described ({grounds})"
            yield Ok(about=f"{source.name} {name}", evidence=told)
            continue
        yield finding(
            env,
            at(env.service, path),
            f"{source.name} {row.tag} needs {name} {least} or later, and {name} {there} is described",
            remedy=f"Raise {name} to {least} or later, or waive this where a run of yours shows that it works.",
            about=name,
            evidence=grounds,
            level="warning",
        )
