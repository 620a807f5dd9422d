"""The effects of an update on what people accept: waivers of findings and reasons of deviations, as edits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.bump.comments import mentions
from torchpin.bump.known_reasons import is_generated
from torchpin.bump.model import Opening
from torchpin.checks import run
from torchpin.compat.recommendations import compute_deviations, used_components
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from torchpin.model import Deviation, Environment, Finding, Lock, Reason, Service

    CheckedFindings = Sequence[tuple[str, Finding]]  # with the id of the check

REVIEW_PERIOD = timedelta(days=90)  # until the review date of a waiver that an update adds
DEVIATION_CHECKS = frozenset({"DEV001", "SRC002"})  # accepted by reasons, not by waivers


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSnapshot:
    """A service before or after an update: its environments with their locks, if up to date, and its findings, waived or not."""

    service: Service
    locks: Mapping[str, tuple[Environment, Lock | None]]
    findings: CheckedFindings

    @property
    def is_locked(self) -> bool:
        """Whether every environment has a lock; without one, a finding may be absent only because it was not checked."""
        return all(lock is not None for _, lock in self.locks.values())

    @property
    def deviations(self) -> dict[str, Deviation]:
        """By component; where environments differ, a recommendation that is not met comes first."""
        deviations = [
            deviation for env, lock in self.locks.values() for deviation in compute_deviations(env, lock)
        ]
        return {
            _component_key(deviation.component): deviation
            for deviation in sorted(deviations, key=lambda deviation: not deviation.is_choice)
        }

    @property
    def unmet_recommendations(self) -> set[tuple[str, str, str]]:
        """As (component, recommender, requirement)."""
        return {
            (_component_key(deviation.component), recommender, requirement)
            for env, lock in self.locks.values()
            for deviation in compute_deviations(env, lock)
            if not deviation.is_choice
            for recommender, requirement in deviation.recommendations
        }

    @property
    def components(self) -> dict[str, set[str]]:
        """The values of each component over all environments."""
        values: dict[str, set[str]] = {}
        for env, lock in self.locks.values():
            for name, value in used_components(env, lock).items():
                values.setdefault(_component_key(name), set()).add(value)
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """`resolved`, `new`: sentences; `openings`: those of the new that people accept; `changes`: the edits of the description;
    `notes`: what people should review."""

    resolved: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    openings: tuple[Opening, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reasoning:
    """`by_key`: people's reasons by the key of an opening, with their `evidence`; `from_facts`: reason and evidence that follow
    from facts, by component."""

    by_key: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    from_facts: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def _component_key(component: str) -> str:
    return canonicalize_name(component)


def compute_acceptance(
    before: ServiceSnapshot, after: ServiceSnapshot, reasoning: Reasoning, today: date
) -> Acceptance:
    """The waivers and reasons that an update removes and adds; a reason of people is rewritten only by another one of theirs."""
    waivers = _waiver_changes(before, after, reasoning, today)
    reasons = _reason_changes(before, after, reasoning)
    return Acceptance(
        resolved=(*waivers.resolved, *reasons.resolved),
        new=(*waivers.new, *reasons.new),
        openings=(*waivers.openings, *reasons.openings),
        changes=(*waivers.changes, *reasons.changes),
        notes=(*waivers.notes, *reasons.notes),
    )


def new_findings(before: CheckedFindings, after: CheckedFindings) -> list[tuple[str, Finding]]:
    """The findings of `after` whose check and subject `before` does not have."""
    previous = {(check_id, finding.about) for check_id, finding in before}
    return [(check_id, finding) for check_id, finding in after if (check_id, finding.about) not in previous]


def _waiver_changes(
    before: ServiceSnapshot, after: ServiceSnapshot, reasoning: Reasoning, today: date
) -> Acceptance:
    """Waivers that match nothing any more are removed; a new finding asks for a waiver, with its reason."""
    resolved, removals = _unneeded_waivers(before, after)
    new = {
        (check_id, finding.about): finding
        for check_id, finding in new_findings(before.findings, after.findings)
        if check_id not in DEVIATION_CHECKS
    }
    messages = {key: f"{key[0]} about {key[1]}: {finding.message}" for key, finding in new.items()}
    to_waive = {
        key: _waiver_opening(key, messages[key], reasoning)
        for key, finding in new.items()
        if finding.level != "notice" and not _is_waived(before.service, key[0], finding)
    }
    additions = (
        _added_waiver(key, opening.reason, today) for key, opening in to_waive.items() if opening.reason
    )
    return Acceptance(
        resolved=tuple(resolved),
        new=tuple(messages[key] for key in to_waive),
        openings=tuple(to_waive.values()),
        changes=(*removals, *additions),
        notes=tuple(messages[key] for key, finding in new.items() if finding.level == "notice"),
    )


def _is_waived(service: Service, check_id: str, finding: Finding) -> bool:
    return any(waiver.check == check_id and run.matches_waiver(waiver, finding) for waiver in service.waivers)


def _waiver_opening(key: tuple[str, str], message: str, reasoning: Reasoning) -> Opening:
    """What people are asked about a finding, by its check and subject, with the reason that they gave."""
    opening_key = ":".join(key)
    return Opening(key=opening_key, message=message, reason=reasoning.by_key.get(opening_key, ""))


def _added_waiver(key: tuple[str, str], reason: str, today: date) -> Change:
    """The edit that waives a finding, by its check and subject, until its review."""
    review = (today + REVIEW_PERIOD).isoformat()
    return Change(
        path="waivers[+]", value={"check": key[0], "about": key[1], "reason": reason, "review_by": review}
    )


def _unneeded_waivers(before: ServiceSnapshot, after: ServiceSnapshot) -> tuple[list[str], list[Change]]:
    """The waivers whose findings the update ends, as messages and as edits that remove them."""
    messages, changes = [], []
    for number, waiver in enumerate(before.service.waivers):
        matched_before, matches_after = (
            any(
                check_id == waiver.check and run.matches_waiver(waiver, finding)
                for check_id, finding in findings
            )
            for findings in (before.findings, after.findings)
        )
        # a waiver that matched nothing before is not the update's to remove
        if matched_before and not matches_after and after.is_locked:
            messages.append(f"{waiver.check} about {waiver.about}: the waiver is no longer needed")
            changes.append(Change(path=f"waivers[{number}]", value=None))
    return messages, changes


def _reason_changes(before: ServiceSnapshot, after: ServiceSnapshot, reasoning: Reasoning) -> Acceptance:
    """Reasons without a deviation are removed; a new deviation, and a reason that mentions a changed value, ask for another."""
    reasons = {_component_key(reason.component): reason for reason in before.service.reasons}
    deviations, new_unmet = after.deviations, after.unmet_recommendations - before.unmet_recommendations
    changed, old_values = changed_components(before, after)
    resolved, messages, openings, changes, notes = [], [], list[Opening](), [], []
    for key, reason in reasons.items():
        if key not in deviations and key in before.deviations and after.is_locked:
            resolved.append(f"{reason.component} no longer deviates from a recommendation")
            changes.append(Change(path=f"reasons.{reason.component}", value=None))
    for key, deviation in deviations.items():
        recommendations = sorted(
            f"{requirement} ({recommender})" for name, recommender, requirement in new_unmet if name == key
        )
        existing = reasons.get(key)
        is_outdated = existing and mentions(f"{existing.because} {existing.evidence}", old_values)
        if recommendations or (is_outdated and key in changed):
            message = _deviation_message(deviation, recommendations)
            written, opening = _written_reason(deviation, message, existing, reasoning)
            if recommendations or not written:  # a reason that is written anew mentions nothing that changed
                messages.append(message)
            openings += [opening] if opening else []
            if written:
                component = existing.component if existing else deviation.component
                changes.append(Change(path=f"reasons.{component}", value=written))
        elif existing and is_outdated:
            notes.append(f"the reason for {existing.component} mentions a version that changed; review it")
    return Acceptance(
        resolved=tuple(resolved),
        new=tuple(messages),
        openings=tuple(openings),
        changes=tuple(changes),
        notes=tuple(notes),
    )


def _deviation_message(deviation: Deviation, recommendations: Sequence[str]) -> str:
    subject = f"{deviation.component} {deviation.used}"
    if recommendations:
        return f"{subject} deviates; recommended: {', '.join(recommendations)}"
    return f"{subject}: its reason is still about the previous version"


def _written_reason(
    deviation: Deviation, message: str, existing: Reason | None, reasoning: Reasoning
) -> tuple[dict[str, str], Opening | None]:
    """What is written below `reasons:`, empty for nothing, and the opening where it is for people to say."""
    key = existing.component if existing else deviation.component
    written, from_facts = reasoning.by_key.get(key, ""), reasoning.from_facts.get(_component_key(key))
    if from_facts and not written and (existing is None or is_generated(existing)):
        return {"because": from_facts[0], "evidence": from_facts[1]}, None
    opening = Opening(key=key, message=message, reason=written, is_review=existing is not None)
    return ({"because": written, "evidence": reasoning.evidence} if written else {}), opening


def changed_components(before: ServiceSnapshot, after: ServiceSnapshot) -> tuple[set[str], set[str]]:
    """The components whose value changes, and the values that go away, with and without their local version."""
    components_before, components_after = before.components, after.components
    changed = {key for key in components_before if components_before[key] != components_after.get(key, set())}
    removed_values: set[str] = set()
    for key in changed:
        old, new = components_before[key], components_after.get(key, set())
        removed_values |= (old | _public_versions(old)) - (new | _public_versions(new))
    channels = {env.variant.channel for env, _ in before.locks.values()} - {
        env.variant.channel for env, _ in after.locks.values()
    }
    return changed, removed_values | channels


def _public_versions(values: Iterable[str]) -> set[str]:
    return {value.partition("+")[0] for value in values}
