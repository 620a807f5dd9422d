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
from torchpin.checks.context import CheckContext, missing_need
from torchpin.checks.registry import Accepted, Check, Ok, Result, Unknown, finding
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from torchpin.model import Environment, Waiver


def run(evidence: CheckContext, *, judge: bool = False) -> tuple[Result, ...]:
    """Every registered check (or the judge's alone) on every environment, in order of their ids."""
    from torchpin.checks import rules  # noqa: F401 - registers them

    chosen = [registered for _, registered in sorted(REGISTRY.items()) if registered.judge or not judge]
    return tuple(
        _run_check(evidence, env, registered) for env in evidence.environments for registered in chosen
    )


def _run_check(evidence: CheckContext, env: Environment, registered: Check) -> Result:
    def result(status: Any, **fields: Any) -> Result:
        return Result(
            check=registered.id, title=registered.title, environment=env.name, status=status, **fields
        )

    for need in registered.needs:
        reason = missing_need(evidence, env, need)
        if reason:
            return result(
                "skipped",
                note=reason,
                need="docker" if need == "image" and evidence.engine_problem else need,
                image=need == "image",
            )
    try:
        answers = tuple(registered.run(evidence, env))
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check, never a pass
        message = f"the check itself failed: {type(error).__name__}: {error}"
        help_text = "This is a fault of torchpin: report it with this line."
        return result("found", findings=(finding(env, env.service.file, message, help=help_text),))
    findings = tuple(_with_help(answer, registered) for answer in answers if isinstance(answer, Finding))
    waivers = [_find_waiver(evidence, env, registered.id, reported) for reported in findings]
    open_findings = tuple(reported for reported, waiver in zip(findings, waivers, strict=True) if not waiver)
    accepted = tuple(
        Accepted(finding=reported, waiver=waiver)
        for reported, waiver in zip(findings, waivers, strict=True)
        if waiver
    )
    unknown = tuple(answer.message for answer in answers if isinstance(answer, Unknown))
    passes = tuple(answer for answer in answers if isinstance(answer, Ok))
    success_status = "ok" if passes or not registered.judge else "moot"
    status = "found" if open_findings else "unknown" if unknown else "waived" if accepted else success_status
    return result(status, findings=open_findings, accepted=accepted, unknown=unknown, evidence=passes)


def _find_waiver(evidence: CheckContext, env: Environment, check: str, reported: Finding) -> Waiver | None:
    """The waiver of a finding, while it lasts; a GPU is waived by any of its names."""
    for waiver in env.service.waivers:
        if waiver.check == check and waiver.review_by >= evidence.today and matches_waiver(waiver, reported):
            return waiver
    return None


def matches_waiver(waiver: Waiver, reported: Finding) -> bool:
    """Whether a waiver of the same check is about what a finding is about."""
    gpu = facts.gpu(reported.about)
    return waiver.about == reported.about or (gpu is not None and facts.gpu(waiver.about) == gpu)


def _with_help(reported: Finding, registered: Check) -> Finding:
    return reported if reported.help else replace(reported, help=registered.help)


def blocking_findings(results: Iterable[Result]) -> tuple[Finding, ...]:
    """The open errors: pins that cannot work, whatever else is right."""
    return tuple(reported for result in results for reported in result.findings if reported.level == "error")


Verdict = Literal["ok", "warned", "refused", "unknown"]


def verdicts(results: Iterable[Result], environments: Iterable[Environment]) -> dict[str, Verdict]:
    """A word for each service: refused by an open error, warned by an open warning, else unknown, else ok."""
    service_names = {env.name: env.service.name for env in environments}
    service_states: dict[str, set[str]] = {name: set() for name in service_names.values()}
    for result in results:
        service_states[service_names[result.environment]] |= {
            finding.level for finding in result.findings
        } | ({"unknown"} if result.unknown else set())
    return {name: _worst_verdict(states) for name, states in service_states.items()}


def _worst_verdict(states: set[str]) -> Verdict:
    if "error" in states:
        return "refused"
    if "warning" in states:
        return "warned"
    return "unknown" if "unknown" in states else "ok"
