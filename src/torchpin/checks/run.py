"""The registered checks: pure functions of what was gathered, each with an id that is never reused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torchpin.checks.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.checks.registry import Result
    from torchpin.model import Environment, Finding

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import Evidence, unmet
from torchpin.checks.registry import Accepted, Check, Ok, Result, Unknown, finding
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from torchpin.model import Environment, Waiver


def run(evidence: Evidence, *, judge: bool = False) -> tuple[Result, ...]:
    """Every registered check (or the judge's alone) on every environment, in order of their ids."""
    from torchpin.checks import rules  # noqa: F401 - registers them

    chosen = [one for _, one in sorted(REGISTRY.items()) if one.judge or not judge]
    return tuple(_result(evidence, env, one) for env in evidence.environments for one in chosen)


def _result(evidence: Evidence, env: Environment, one: Check) -> Result:
    def result(status: Any, **more: Any) -> Result:
        return Result(check=one.id, title=one.title, environment=env.name, status=status, **more)

    for need in one.needs:
        reason = unmet(evidence, env, need)
        if reason:
            return result(
                "skipped",
                note=reason,
                need="docker" if need == "image" and evidence.engine else need,
                image=need == "image",
            )
    try:
        answers = tuple(one.run(evidence, env))
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check, never a pass
        message = f"the check itself failed: {type(error).__name__}: {error}"
        remedy = "This is a fault of torchpin: report it with this line."
        return result("found", findings=(finding(env, env.service.file, message, remedy=remedy),))
    findings = tuple(_completed(answer, one) for answer in answers if isinstance(answer, Finding))
    waivers = [_waiver(evidence, env, one.id, each) for each in findings]
    open_ = tuple(each for each, waiver in zip(findings, waivers, strict=True) if not waiver)
    accepted = tuple(
        Accepted(finding=each, waiver=waiver)
        for each, waiver in zip(findings, waivers, strict=True)
        if waiver
    )
    unknown = tuple(answer.message for answer in answers if isinstance(answer, Unknown))
    grounds = tuple(answer for answer in answers if isinstance(answer, Ok))
    right = "ok" if grounds or not one.judge else "moot"
    status = "found" if open_ else "unknown" if unknown else "waived" if accepted else right
    return result(status, findings=open_, accepted=accepted, unknown=unknown, grounds=grounds)


def _waiver(evidence: Evidence, env: Environment, check: str, one: Finding) -> Waiver | None:
    """The waiver of a finding, while it lasts; a GPU is waived by any of its names."""
    for waiver in env.service.waivers:
        if waiver.check == check and waiver.review_by >= evidence.today and waives(waiver, one):
            return waiver
    return None


def waives(waiver: Waiver, one: Finding) -> bool:
    """Whether a waiver of the same check is about what a finding is about."""
    known = facts.gpu(one.about)
    return waiver.about == one.about or (known is not None and facts.gpu(waiver.about) == known)


def _completed(one: Finding, by: Check) -> Finding:
    return one if one.remedy else replace(one, remedy=by.remedy)


def blocking(results: Iterable[Result]) -> tuple[Finding, ...]:
    """The open errors: pins that cannot work, whatever else is right."""
    return tuple(each for result in results for each in result.findings if each.level == "error")


Verdict = Literal["ok", "warned", "refused", "unknown"]


def verdicts(results: Iterable[Result], environments: Iterable[Environment]) -> dict[str, Verdict]:
    """A word for each service: refused by an open error, warned by an open warning, else unknown, else ok."""
    home = {env.name: env.service.name for env in environments}
    found: dict[str, set[str]] = {name: set() for name in home.values()}
    for row in results:
        found[home[row.environment]] |= {one.level for one in row.findings} | (
            {"unknown"} if row.unknown else set()
        )
    return {name: _worst(states) for name, states in found.items()}


def _worst(states: set[str]) -> Verdict:
    if "error" in states:
        return "refused"
    if "warning" in states:
        return "warned"
    return "unknown" if "unknown" in states else "ok"
