"""DEV: deviations have reasons, reasons have deviations, waivers have an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks.context import Evidence, at, lock_of
from torchpin.checks.registry import REGISTRY, Ok, Unknown, check, finding
from torchpin.compat import recommendations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Deviation, Environment, Finding, Lock

NOTICE = timedelta(days=14)
OTHERS = ("AUD001",)  # findings that no check of this registry makes: advisories


@check("DEV001", "Every deviation has a reason", judge=True)
def deviations_have_reasons(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write why under `reasons:` in the description, with the evidence; or follow the recommendation.

    What somebody recommends is compared with what is used: packages, Python, CUDA, cuDNN, the base, and the capability
    of a GPU. Whoever reads of the difference later wants to know why it is right. What a source's own requirements ask
    for is SRC002's.

    Example: the page says that an RTX 5060 Ti has the capability 8.9; by NVIDIA's table it has 12.0.

    Sources: `recommends` and `reasons` of the description; its lock; the facts of the GPUs.
    """
    lock = lock_of(evidence, env)
    found = [one for one in recommendations.deviations(env, lock) if _said(one, lock)]
    for one in found:
        if not one.reason:
            said = "; ".join(f"{by} says {says}" for by, says in _said(one, lock))
            yield finding(
                env,
                _place(env, one.component),
                f"{one.component} {one.used} deviates without a reason: {said}",
                about=one.component,
                evidence=_evidence(one.component),
                level="warning",
            )
    yield from _others(env, lock, found)


def _said(one: Deviation, lock: Lock | None) -> tuple[tuple[str, str], ...]:
    """What people recommend; not what the sources' own requirements do."""
    sources = {f"{each.source} {each.tag}" for each in (lock.upstreams if lock else ())}
    return tuple(pair for pair in one.says if pair[0] not in sources)


def _place(env: Environment, component: str) -> str:
    """The reasons, which lack one; where there are none, the recommendation."""
    number = next((n for n, one in enumerate(env.service.recommends) if one.component == component), 0)
    return at(env.service, "reasons" if "reasons" in env.service.marks else f"recommends[{number}]")


def _evidence(component: str) -> str:
    card = facts.gpu(component)
    return f"{card.source} ({card.date})" if card else ""


def _others(env: Environment, lock: Lock | None, found: Iterable[Deviation]) -> Iterator[Answer]:
    """What is followed or explained, and what only a lock tells."""
    values = recommendations.used(env, lock)
    asked = {
        facts.gpu(one.component) or canonicalize_name(one.component): one
        for one in env.service.recommends
        if not one.says.endswith(".whl")  # a file, no version: ABI001 looks at it
    }
    untold = [one for one in asked.values() if recommendations.untold(env, lock, one.component, values)]
    for one in untold:
        message = f"{one.by} says {one.component} {one.says}, and what is used only a lock tells"
        yield Unknown(message=message, about=one.component)
    deviating = list(found)
    explained = [one.component for one in deviating if one.reason]
    followed = len(asked) - len(untold) - len(deviating)
    if followed > 0 or explained:
        told = f", {len(explained)} have a reason of their own ({', '.join(explained)})" if explained else ""
        yield Ok(
            about="recommends",
            evidence=f"of {len(asked)} recommended components {followed} are followed{told}",
        )


@check("DEV002", "No waiver is past its review")
def waivers_are_current(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Look at it again: repair what it waives, or give a new review_by with the reason.

    A waiver accepts a finding until a day. From fourteen days before it a notice is given; after it the finding
    counts again, for its own service alone.

    Example: the waiver of GPU001 for B200 ended on 2027-01-31.

    Sources: aws/deep-learning-containers, whose accepted CVEs have a reason and a review_by.
    """
    for number, waiver in enumerate(env.service.waivers):
        where = at(env.service, f"waivers[{number}].review_by")
        if waiver.review_by < evidence.today:
            yield finding(
                env,
                where,
                f"the waiver of {waiver.check} for {waiver.about} ended on {waiver.review_by}",
                about=waiver.about,
            )
        elif waiver.check not in {*REGISTRY, *OTHERS}:
            yield finding(env, where, f"waives {waiver.check}, which is no check", about=waiver.about)


@check("DEV003", "Every reason explains a deviation", "lock")
def reasons_are_needed(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Remove the reason: the deviation that it explained is closed.

    A reason outlives its deviation when a pin moves or a recommendation changes; it would then explain what is no
    longer so.

    Example: a reason for accelerate, and the lock is within everybody's range.

    Sources: docs/ARCHITECTURE.md, words: reason.
    """
    found = recommendations.deviations(env, evidence.locks[env.name])
    for component in recommendations.stale_reasons(env, found):
        yield finding(
            env,
            at(env.service, f"reasons.{component}"),
            f"a reason for {component}, which does not deviate",
            about=component,
        )


def ending(evidence: Evidence, env: Environment) -> tuple[str, ...]:
    """Waivers that end within the notice: a word ahead, no finding yet."""
    return tuple(
        f"{env.service.name}: the waiver of {w.check} for {w.about} ends on {w.review_by}"
        for w in env.service.waivers
        if evidence.today <= w.review_by <= evidence.today + NOTICE
    )
