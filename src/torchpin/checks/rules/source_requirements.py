"""SRC002, SRC003: the requirements of sources are met, or there is a reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import paths
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.pins import list_pins
from torchpin.compat.recommendations import applicable_requirements, satisfies, used_components
from torchpin.compat.sources import recorded_tags
from torchpin.description.environments import cuda_version
from torchpin.description.sections.packages import parse_pin
from torchpin.lock.file_format import upstream_file
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Lock, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class _SourceRequirements:
    """The requirements of a source at one tag."""

    requirer: str  # source and tag
    evidence: str
    requirements: tuple[Requirement, ...]


def _requirements_row(source: Source) -> SourceTag | None:
    """The facts of a source's requirements at its tag; where the tag does not exist, at the recorded commit."""
    rows = [row for row in recorded_tags(source) if row.exists and row.pins]
    by_tag = next((row for row in rows if row.tag == source.tag), None)
    return by_tag or next((row for row in rows if row.commit == source.commit), None)


@check("SRC002", "a source's own requirements are not met, without a reason", judge=True)
def requirements_are_met(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Pin what the source pins, or explain under `reasons:` why not, with the evidence.

    The versions in a source's own requirements are the ones that its authors ran. Others may work, and whoever chooses
    them should document why.

    Example: kohya-ss/sd-scripts pins accelerate==1.6.0 at v0.10.0, and the description pins `accelerate==0.25.0`.

    Sources: the requirements file at the locked commit (`upstream-<source>.requirements.txt` of the lock), or the recorded one.
    """
    lock = current_lock(context, env)
    for number, source in enumerate(env.service.sources):
        required = _source_requirements(env, source, lock)
        if required is None:
            message = (
                f"the requirements of {source.name} {source.version} are neither locked nor in the facts"
            )
            yield Unknown(message=message, about=source.name)
        else:
            yield from _compare_requirements(env, lock, number, required)


def _source_requirements(env: Environment, source: Source, lock: Lock | None) -> _SourceRequirements | None:
    """The requirements as they are locked, else as they are in the facts; None where neither has them."""
    locked = (
        next((upstream for upstream in lock.upstreams if upstream.source == source.name), None)
        if lock
        else None
    )
    if locked:
        by, lines = locked.version, locked.requirements
        evidence = paths.lock_path(env.name, upstream_file(source.name))
    elif row := _requirements_row(source):
        by, lines = row.tag, tuple(f"{name}{specifier}" for name, specifier in row.pins.items())
        evidence = row.requirements_citation
    else:
        return None
    requirements = tuple(applicable_requirements(lines, env))
    return _SourceRequirements(requirer=f"{source.name} {by}", evidence=evidence, requirements=requirements)


def _compare_requirements(
    env: Environment, lock: Lock | None, number: int, required: _SourceRequirements
) -> Iterator[Answer]:
    versions = used_components(env, lock)
    reasons = {canonicalize_name(reason.component) for reason in env.service.reasons}
    groups: dict[str, list[str]] = {"met": [], "unmet": [], "explained": [], "unknown": []}
    for requirement in required.requirements:
        name = canonicalize_name(requirement.name)
        group = _requirement_group(requirement, versions.get(name), locked=lock is not None)
        group = "explained" if group == "unmet" and name in reasons else group
        groups[group].append(name)
        if group == "unmet":
            yield _unmet_requirement(env, lock, number, requirement, required)
    if groups["unknown"]:
        names = ", ".join(groups["unknown"])
        message = f"{required.requirer} requires {names}; the versions of unpinned packages are unknown without a lock"
        yield Unknown(message=message, about=required.requirer)
    if groups["met"] or groups["explained"]:
        explained = f" ({', '.join(groups['explained'])})" if groups["explained"] else ""
        counts = f"met: {len(groups['met'])}, unmet with a reason: {len(groups['explained'])}{explained}"
        text = f"{required.requirer} has {len(required.requirements)} requirements; {counts} ({required.evidence})"
        yield Ok(about=required.requirer, evidence=text)


def _requirement_group(requirement: Requirement, version: str | None, *, locked: bool) -> str:
    if version is None:
        return "unmet" if locked else "unknown"
    return "met" if satisfies(str(requirement.specifier) or "any", version) else "unmet"


def _is_pin(requirement: str) -> bool:
    """Whether a layer can have a requirement as it is: one that is exact."""
    try:
        parse_pin(requirement)
    except ValueError:
        return False
    return True


def _unmet_requirement(
    env: Environment, lock: Lock | None, number: int, requirement: Requirement, required: _SourceRequirements
) -> Finding:
    name = canonicalize_name(requirement.name)
    pin = list_pins(env, lock).get(name)
    requirement_text = str(requirement).partition(";")[0].strip()
    can_be_pinned = _is_pin(requirement_text)
    exact = pin is not None and pin.path.startswith("layers[") and can_be_pinned
    action = f"pin `- {requirement_text}`" if can_be_pinned else f"pin a version of {name} that meets it"
    used = f"{name} {pin.version} is used" if pin else f"{name} is not installed"
    reason = f"`{name}:` with `because` and `evidence`"
    return finding(
        env,
        pin.location
        if pin
        else env.service.location(
            f"sources[{number}].{'tag' if env.service.sources[number].tag else 'commit'}"
        ),
        f"{required.requirer} requires {requirement_text}, but {used}, without a reason",
        help=f"{action}, or add the reason under `reasons:` as {reason}",
        about=name,
        evidence=required.evidence,
        level="warning",
        fix=[Change(path=pin.path, value=requirement_text)] if pin and exact else (),
    )


@check("SRC003", "a source's minimum torch, Python or CUDA is not met", judge=True)
def minimums_are_met(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Raise what the finding names, or waive the finding if you have verified that it works.

    A source may document its minimum torch version only in the README, which no resolver reads.

    Example: kohya-ss/sd-scripts v0.10.0 requires torch 2.6.0 or later, and the description has torch 2.5.1.

    Sources: README and requirements of the source at the tag, as recorded.
    """
    del context
    for source in env.service.sources:
        row = _requirements_row(source)
        if row is None:
            message = (
                f"the minimum torch, Python and CUDA of {source.name} {source.version} are not in the facts"
            )
            yield Unknown(message=message, about=source.name)
        elif not any((row.min_torch, row.min_python, row.min_cuda)):
            tested = f", tested with torch {row.tested_torch}" if row.tested_torch else ""
            text = f"{row.tag} documents no minimum version{tested} ({row.requirements_citation})"
            yield Ok(about=source.name, evidence=text)
        else:
            yield from _check_minimums(env, source, row)


def _check_minimums(env: Environment, source: Source, row: SourceTag) -> Iterator[Answer]:
    minimums = (
        ("torch", "torch.version", str(env.service.torch.version), row.min_torch),
        ("Python", "python", str(env.service.python), row.min_python),
        ("CUDA", f"variants.{env.variant.name}.channel", cuda_version(env), row.min_cuda),
    )
    evidence = row.requirements_citation
    for name, path, described, minimum in minimums:
        if not described or not minimum:
            continue
        if Version(described) >= Version(minimum):
            text = (
                f"{row.tag} requires {name} {minimum} or later; the description has {described} ({evidence})"
            )
            yield Ok(about=f"{source.name} {name}", evidence=text)
            continue
        yield finding(
            env,
            env.service.location(path),
            f"{source.name} {row.tag} requires {name} {minimum} or later, but the description has {name} {described}",
            help=f"raise {name} to {minimum} or later, or waive this if you have verified that it works",
            about=name,
            evidence=evidence,
            level="warning",
        )
