"""DEV: deviations have reasons, reasons have deviations, waivers have an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock, location_of
from torchpin.checks.registry import REGISTRY, Ok, Unknown, check, finding
from torchpin.compat.recommendations import (
    compute_deviations,
    is_undetermined,
    stale_reasons,
    used_components,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.checks.registry import Answer
    from torchpin.model import Deviation, Environment, Finding, Lock

NOTICE_PERIOD = timedelta(days=14)
EXTERNAL_CHECKS = ("AUD001",)  # findings that no check of this registry makes: advisories


@check("DEV001", "Every deviation has a reason", judge=True)
def deviations_have_reasons(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write why under `reasons:` in the description, with the evidence; or follow the recommendation.

    What somebody recommends is compared with what is used: packages, Python, CUDA, cuDNN, the base, and the capability
    of a GPU. Whoever reads of the difference later wants to know why it is right. What a source's own requirements ask
    for is SRC002's.

    Example: the page says that an RTX 5060 Ti has the capability 8.9; by NVIDIA's table it has 12.0.

    Sources: `recommends` and `reasons` of the description; its lock; the facts of the GPUs.
    """
    lock = current_lock(evidence, env)
    deviations = [
        deviation
        for deviation in compute_deviations(env, lock)
        if _recommendations_of_people(deviation, lock)
    ]
    for deviation in deviations:
        if not deviation.reason:
            recommendations = "; ".join(
                f"{recommender} says {requirement}"
                for recommender, requirement in _recommendations_of_people(deviation, lock)
            )
            yield finding(
                env,
                _reason_location(env, deviation.component),
                f"{deviation.component} {deviation.used} deviates without a reason: {recommendations}",
                about=deviation.component,
                evidence=_evidence(deviation.component),
                level="warning",
            )
    yield from _check_followed(env, lock, deviations)


def _recommendations_of_people(deviation: Deviation, lock: Lock | None) -> tuple[tuple[str, str], ...]:
    """What people recommend; not what the sources' own requirements do."""
    sources = {f"{upstream.source} {upstream.tag}" for upstream in (lock.upstreams if lock else ())}
    return tuple(pair for pair in deviation.recommendations if pair[0] not in sources)


def _reason_location(env: Environment, component: str) -> str:
    """The reasons, which lack one; where there are none, the recommendation."""
    number = next(
        (
            index
            for index, recommendation in enumerate(env.service.recommends)
            if recommendation.component == component
        ),
        0,
    )
    return location_of(
        env.service, "reasons" if "reasons" in env.service.positions else f"recommends[{number}]"
    )


def _evidence(component: str) -> str:
    gpu = facts.gpu(component)
    return f"{gpu.source} ({gpu.date})" if gpu else ""


def _check_followed(env: Environment, lock: Lock | None, deviations: Iterable[Deviation]) -> Iterator[Answer]:
    """What is followed or explained, and what only a lock tells."""
    values = used_components(env, lock)
    recommended = {
        facts.gpu(recommendation.component) or canonicalize_name(recommendation.component): recommendation
        for recommendation in env.service.recommends
        if not recommendation.says.endswith(".whl")  # a file, no version: ABI001 looks at it
    }
    undetermined = [
        recommendation
        for recommendation in recommended.values()
        if is_undetermined(env, lock, recommendation.component, values)
    ]
    for recommendation in undetermined:
        message = f"{recommendation.by} says {recommendation.component} {recommendation.says}, and what is used only a lock tells"
        yield Unknown(message=message, about=recommendation.component)
    deviating = list(deviations)
    explained = [deviation.component for deviation in deviating if deviation.reason]
    followed = len(recommended) - len(undetermined) - len(deviating)
    if followed > 0 or explained:
        explained_note = (
            f", {len(explained)} have a reason of their own ({', '.join(explained)})" if explained else ""
        )
        yield Ok(
            about="recommends",
            evidence=f"of {len(recommended)} recommended components {followed} are followed{explained_note}",
        )


@check("DEV002", "No waiver is past its review")
def waivers_are_current(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Look at it again: repair what it waives, or give a new review_by with the reason.

    A waiver accepts a finding until a day. From fourteen days before it a notice is given; after it the finding
    counts again, for its own service alone.

    Example: the waiver of GPU001 for B200 ended on 2027-01-31.

    Sources: aws/deep-learning-containers, whose accepted CVEs have a reason and a review_by.
    """
    for number, waiver in enumerate(env.service.waivers):
        location = location_of(env.service, f"waivers[{number}].review_by")
        if waiver.review_by < evidence.today:
            yield finding(
                env,
                location,
                f"the waiver of {waiver.check} for {waiver.about} ended on {waiver.review_by}",
                about=waiver.about,
            )
        elif waiver.check not in {*REGISTRY, *EXTERNAL_CHECKS}:
            yield finding(env, location, f"waives {waiver.check}, which is no check", about=waiver.about)


@check("DEV003", "Every reason explains a deviation", "lock")
def reasons_are_needed(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Remove the reason: the deviation that it explained is closed.

    A reason outlives its deviation when a pin moves or a recommendation changes; it would then explain what is no
    longer so.

    Example: a reason for accelerate, and the lock is within everybody's range.

    Sources: docs/ARCHITECTURE.md, words: reason.
    """
    deviations = compute_deviations(env, evidence.locks[env.name])
    for component in stale_reasons(env, deviations):
        yield finding(
            env,
            location_of(env.service, f"reasons.{component}"),
            f"a reason for {component}, which does not deviate",
            about=component,
        )


def ending_waivers(evidence: CheckContext, env: Environment) -> tuple[str, ...]:
    """Waivers that end within the notice: a word ahead, no finding yet."""
    return tuple(
        f"{env.service.name}: the waiver of {waiver.check} for {waiver.about} ends on {waiver.review_by}"
        for waiver in env.service.waivers
        if evidence.today <= waiver.review_by <= evidence.today + NOTICE_PERIOD
    )
