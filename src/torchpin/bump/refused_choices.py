"""Versions that were chosen for added packages and that the judge refuses: what is requested instead."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchpin.bump.additions import Addition
    from torchpin.model import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedChoice:
    """A chosen version that a finding refuses. `bound`: what keeps the next choice from it, as a specifier."""

    name: str
    version: str
    reason: str
    bound: str


def refused_choices(
    findings: Iterable[Finding], requested: Sequence[Addition], pinned: Sequence[Addition]
) -> tuple[RefusedChoice, ...]:
    """The choices that findings refuse, one a package; a version that was written in the request is none.

    `pinned`: the requested packages with their versions. The bound is the version that a finding's fix names, where the
    request allows it; else it leaves out the refused version alone.
    """
    chosen = {
        pin.name: (row, pin.version)
        for row, pin in zip(requested, pinned, strict=True)
        if pin.version and not row.version
    }
    refused: dict[str, RefusedChoice] = {}
    for finding in findings:
        fitting = {row.name: row for row in _fixed_pins(finding)}
        named = [name for name, (_, version) in chosen.items() if _names(finding, name, version)]
        for name in [name for name in fitting if name in chosen] or named:
            row, version = chosen[name]
            bound = _bound(row.requirement, version, fitting.get(name))
            refused.setdefault(
                name, RefusedChoice(name=name, version=version, reason=finding.message, bound=bound)
            )
    return tuple(refused.values())


def without_choices(requested: Iterable[Addition], refused: Iterable[RefusedChoice]) -> list[Addition]:
    """The requested packages, bounded so that no refused version is chosen again."""
    bounds = {choice.name: choice.bound for choice in refused}
    return [_bounded(row, bounds.get(row.name, "")) for row in requested]


def refusal_text(finding: Finding, pinned: Iterable[Addition]) -> str:
    """A finding about packages that stand in no file yet: without a place, and with what to ask for instead."""
    names = {row.name for row in pinned}
    requested = [row for row in _fixed_pins(finding) if canonicalize_name(row.name) in names]
    advice = f"ask for {' '.join(map(str, requested))} instead" if requested else finding.help
    return f"{finding.message}\n  help: {advice}" if advice else finding.message


def _fixed_pins(finding: Finding) -> Iterator[Requirement]:
    """The exact pins that a finding's fix writes."""
    for change in finding.fix:
        try:
            requirement = Requirement(str(change.value))
        except InvalidRequirement:
            continue
        requirement.name = canonicalize_name(requirement.name)
        if [bound.operator for bound in requirement.specifier] == ["=="]:
            yield requirement


def _names(finding: Finding, name: str, version: str) -> bool:
    return bool(re.search(rf"(?<![\w.-]){re.escape(f'{name}=={version}')}(?![\w.+!-])", finding.message))


def _bound(requested: Requirement, refused: str, fitting: Requirement | None) -> str:
    if fitting:
        (exact,) = fitting.specifier
        is_other = Version(exact.version) != Version(refused)
        if is_other and requested.specifier.contains(exact.version, prereleases=True):
            operator = "<=" if Version(exact.version) < Version(refused) else ">="
            return f"{operator}{exact.version}"
    return f"!={refused}"


def _bounded(addition: Addition, bound: str) -> Addition:
    if not bound:
        return addition
    requirement = Requirement(str(addition.requirement))
    requirement.specifier = requirement.specifier & SpecifierSet(bound)
    return replace(addition, requirement=requirement)
