"""What a bump closes and opens of what people accept: waivers of findings and reasons of deviations, as edits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.checks import run
from torchpin.compat import recommendations
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from torchpin.model import Deviation, Environment, Finding, Lock, Service

    Found = Sequence[tuple[str, Finding]]  # each with the id of its check

REVIEW = timedelta(days=90)  # until a finding that a bump opened is looked at again
OF_DEVIATIONS = frozenset({"DEV001", "SRC002"})  # what reasons answer, and not waivers


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A service before or after: its environments with the locks that may be believed, and its findings, waived or not."""

    service: Service
    locks: Mapping[str, tuple[Environment, Lock | None]]
    found: Found

    @property
    def is_locked(self) -> bool:
        """Whether every environment has a lock: without one, that something is not there any more is not known."""
        return all(lock is not None for _, lock in self.locks.values())

    @property
    def deviations(self) -> dict[str, Deviation]:
        """By component; of several environments' the first that is not met."""
        all_ = [one for env, lock in self.locks.values() for one in recommendations.deviations(env, lock)]
        return {_key(one.component): one for one in sorted(all_, key=lambda one: not one.choice)}

    @property
    def unmet(self) -> set[tuple[str, str, str]]:
        return {
            (_key(one.component), by, words)
            for env, lock in self.locks.values()
            for one in recommendations.deviations(env, lock)
            if not one.choice
            for by, words in one.says
        }

    @property
    def used(self) -> dict[str, set[str]]:
        values: dict[str, set[str]] = {}
        for env, lock in self.locks.values():
            for name, value in recommendations.used(env, lock).items():
                values.setdefault(_key(name), set()).add(value)
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """`closed`, `opened`: sentences; `changes`: the edits; `notes`: what people should read again."""

    closed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """Why, in people's words; for a component that follows, the plan's own words with their evidence."""

    reason: str
    evidence: str
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    follows: str = ""


def _key(component: str) -> str:
    return canonicalize_name(component)


def acceptance(before: State, after: State, words: Words, today: date) -> Acceptance:
    """The waivers and reasons that a bump takes away, brings and rewrites."""
    waivers, reasons = _waivers(before, after, words, today), _reasons(before, after, words)
    return Acceptance(
        closed=(*waivers.closed, *reasons.closed),
        opened=(*waivers.opened, *reasons.opened),
        changes=(*waivers.changes, *reasons.changes),
        notes=(*waivers.notes, *reasons.notes),
    )


def new(before: Found, after: Found) -> list[tuple[str, Finding]]:
    """The findings that there were not before."""
    there = {(id_, one.about) for id_, one in before}
    return [(id_, one) for id_, one in after if (id_, one.about) not in there]


# --- waivers ---------------------------------------------------------------------------------------------------------


def _waivers(before: State, after: State, words: Words, today: date) -> Acceptance:
    closed, changes = [], []
    for number, waiver in enumerate(before.service.waivers):
        matched = [
            any(id_ == waiver.check and run.waives(waiver, one) for id_, one in found)
            for found in (before.found, after.found)
        ]
        if matched == [True, False] and after.is_locked:
            closed.append(f"{waiver.check} about {waiver.about}: nothing is left to waive")
            changes.append(Change(path=f"waivers[{number}]", value=None))
    opened = {
        (id_, one.about): one for id_, one in new(before.found, after.found) if id_ not in OF_DEVIATIONS
    }
    review = (today + REVIEW).isoformat()
    for id_, about in opened:
        row = {"check": id_, "about": about, "reason": words.reason, "review_by": review}
        changes.append(Change(path="waivers[+]", value=row))
    told = tuple(f"{id_} about {about}: {one.message}" for (id_, about), one in opened.items())
    return Acceptance(closed=tuple(closed), opened=told, changes=tuple(changes))


# --- reasons ---------------------------------------------------------------------------------------------------------


def _reasons(before: State, after: State, words: Words) -> Acceptance:
    """Reasons that nothing needs any more go; those of what deviates anew, or that name what moved, are written again."""
    written = {_key(one.component): one for one in before.service.reasons}
    deviating, opened_by = after.deviations, after.unmet - before.unmet
    moved, old = _moved(before, after)
    closed, opened, changes, notes = [], [], [], []
    for key, reason in written.items():
        if key not in deviating and key in before.deviations and after.is_locked:
            closed.append(f"the deviation of {reason.component}")
            changes.append(Change(path=f"reasons.{reason.component}", value=None))
    for key, one in deviating.items():
        told = sorted(f"{by} says {says}" for name, by, says in opened_by if name == key)
        present = written.get(key)
        stale = present and key in moved and _names(f"{present.because} {present.evidence}", old)
        if told or stale:
            component = present.component if present else one.component
            because, evidence = _said(key, words)
            value = {"because": because, "evidence": evidence}
            changes.append(Change(path=f"reasons.{component}", value=value))
            opened.append(
                f"{component} {one.used}: {'; '.join(told)}"
                if told
                else f"{component} {one.used}: its reason speaks of what was before"
            )
        elif present and _names(f"{present.because} {present.evidence}", old):
            notes.append(f"the reason of {present.component} names what has moved: read it again")
    return Acceptance(closed=tuple(closed), opened=tuple(opened), changes=tuple(changes), notes=tuple(notes))


def _moved(before: State, after: State) -> tuple[set[str], set[str]]:
    """The components whose value is another, and the values that are gone, public versions too."""
    was, is_ = before.used, after.used
    moved = {key for key in was if was[key] != is_.get(key, set())}
    gone = {value for key in moved for value in was[key] - is_.get(key, set())}
    channels = {env.variant.channel for env, _ in before.locks.values()} - {
        env.variant.channel for env, _ in after.locks.values()
    }
    return moved, gone | {value.partition("+")[0] for value in gone} | channels


def _names(text: str, values: Iterable[str]) -> bool:
    return any(re.search(rf"(?<![\w.]){re.escape(one)}(?![\w]|\.\d)", text) for one in values if one)


def _said(key: str, words: Words) -> tuple[str, str]:
    if key in words.own:
        return words.own[key]
    return (f"{words.follows}: {words.reason}" if words.follows else words.reason), words.evidence
