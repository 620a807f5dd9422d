"""DEV: deviations have reasons, reasons have deviations, waivers have an end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from torchpin import compare
from torchpin.checks import REGISTRY, Evidence, at, check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Environment, Finding

NOTICE = timedelta(days=14)


@check("DEV001", "Every deviation has a reason", "lock")
def deviations_have_reasons(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Write why under `reasons:` in the description, with the evidence; or follow the recommendation."""
    for one in compare.deviations(env, evidence.locks[env.name]):
        if not one.reason:
            said = "; ".join(f"{by} says {says}" for by, says in one.says)
            yield finding(
                env,
                at(env.service, "reasons"),
                f"{one.component} {one.used} deviates without a reason: {said}",
                about=one.component,
            )


@check("DEV002", "No waiver is past its review")
def waivers_are_current(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Look at it again: repair what it waives, or give a new review_by with the reason."""
    for number, waiver in enumerate(env.service.waivers):
        where = at(env.service, f"waivers[{number}].review_by")
        if waiver.review_by < evidence.today:
            yield finding(
                env,
                where,
                f"the waiver of {waiver.check} for {waiver.about} ended on {waiver.review_by}",
                about=waiver.about,
            )
        elif waiver.check not in REGISTRY:
            yield finding(env, where, f"waives {waiver.check}, which is no check", about=waiver.about)


@check("DEV003", "Every reason explains a deviation", "lock")
def reasons_are_needed(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Remove the reason: the deviation that it explained is closed."""
    found = compare.deviations(env, evidence.locks[env.name])
    for component in compare.stale_reasons(env, found):
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
