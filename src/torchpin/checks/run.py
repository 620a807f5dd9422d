"""Runs the checks on every environment, applies waivers, and gives each service a verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.checks.context import CheckContext, missing_need
from torchpin.checks.registry import Accepted, Check, Ok, Result, Unknown, finding, registered
from torchpin.memory import remembering
from torchpin.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from torchpin.checks.registry import Answer, Reads
    from torchpin.model import Environment, Verdict, Waiver


def registered_checks() -> tuple[Check, ...]:
    """Every check, in the order of ids."""
    from torchpin.checks import families  # noqa: F401 - importing it registers the checks

    return registered("check")


def run(
    context: CheckContext,
    *,
    judge: bool = False,
    ids: tuple[str, ...] = ("",),
    reads: Reads | None = None,
) -> tuple[Result, ...]:
    """The results of every check on every environment, in the order of ids.

    `judge`: of the judge's checks only; `ids`: of those whose ids start with one of these; `reads`: of those that
    read this.
    """
    return run_checks(
        context,
        [
            check
            for check in registered_checks()
            if (check.judge or not judge) and check.id.startswith(ids) and reads in {None, check.reads}
        ],
    )


def run_checks(context: CheckContext, checks: Sequence[Check]) -> tuple[Result, ...]:
    """The results of these checks on every environment."""
    results: list[Result] = []
    for env in context.environments:
        with remembering():
            results += [_run_check(context, env, check) for check in checks]
    return tuple(results)


def _run_check(context: CheckContext, env: Environment, check: Check) -> Result:
    empty = Result(check=check.id, title=check.title, environment=env.name, status="skipped")
    for need in check.needs:
        reason = missing_need(context, env, need)
        if reason:
            # `--require docker` has to catch a check of an image that no engine could look up.
            missing = "docker" if need == "image" and context.engine_problem else need
            return replace(empty, note=reason, need=missing, image=need == "image")
    try:
        answers = tuple(check.run(context, env))
    except Exception as error:  # noqa: BLE001 - a check that raises must fail, never pass
        message = f"the check raised {type(error).__name__}: {error}"
        help_text = "report this line as a bug in torchpin"
        return replace(
            empty,
            status="failed",
            findings=(finding(env, env.service.file, message, help=help_text),),
        )
    return replace(empty, **_result_fields(context, env, check, answers))


def _result_fields(
    context: CheckContext, env: Environment, check: Check, answers: Sequence[Answer]
) -> dict[str, Any]:
    """The fields of a result: the answers of its check by kind, with waivers applied, and the status."""
    findings = [
        answer if answer.help else replace(answer, help=check.help_line)
        for answer in answers
        if isinstance(answer, Finding)
    ]
    waivers = [(reported, _find_waiver(context, env, check.id, reported)) for reported in findings]
    open_findings = [reported for reported, waiver in waivers if waiver is None]
    fields = {
        "findings": tuple(reported for reported in open_findings if reported.level != "notice"),
        "notices": tuple(reported for reported in open_findings if reported.level == "notice"),
        "accepted": tuple(
            Accepted(finding=reported, waiver=waiver) for reported, waiver in waivers if waiver
        ),
        "unknown": tuple(answer.message for answer in answers if isinstance(answer, Unknown)),
        "located": tuple(answer for answer in answers if isinstance(answer, Unknown) and answer.location),
        "evidence": tuple(answer for answer in answers if isinstance(answer, Ok)),
    }
    return {**fields, "status": _status(check, fields)}


def _status(check: Check, fields: dict[str, tuple[Any, ...]]) -> Verdict:
    """The status, worst first: a waived finding does not hide what is unknown."""
    levels = {reported.level for reported in fields["findings"]}
    if "error" in levels:
        return "incompatible" if check.judge else "failed"
    if levels:
        return "warning"
    if fields["unknown"]:
        return "unknown"
    if fields["accepted"]:
        return "waived"
    # A judge's check is ok only from evidence, and a notice shows that there was something to judge.
    return "ok" if fields["evidence"] or fields["notices"] or not check.judge else "not applicable"


def _find_waiver(context: CheckContext, env: Environment, check: str, reported: Finding) -> Waiver | None:
    """The waiver of a finding; None where there is none, or it is past its review date."""
    for waiver in env.service.waivers:
        if waiver.check == check and waiver.review_by >= context.today and matches_waiver(waiver, reported):
            return waiver
    return None


def matches_waiver(waiver: Waiver, reported: Finding) -> bool:
    """Whether a waiver of the same check has the subject of a finding; a GPU matches by any of its names."""
    return facts.is_same_gpu(waiver.about, reported.about)


def blocking_findings(results: Iterable[Result]) -> tuple[Finding, ...]:
    """The open errors, which keep a lock or a build from being started."""
    return tuple(reported for result in results for reported in result.findings if reported.level == "error")


# Worst first.
_SEVERITY: tuple[Verdict, ...] = ("incompatible", "failed", "warning", "unknown")


def verdicts(results: Iterable[Result], environments: Iterable[Environment]) -> dict[str, Verdict]:
    """Service name to the worst status of its results; ok where nothing is open or unknown."""
    service_names = {env.name: env.service.name for env in environments}
    statuses: dict[str, set[Verdict]] = {name: set() for name in service_names.values()}
    for result in results:
        statuses[service_names[result.environment]] |= {result.status} | (
            {"unknown"} if result.unknown else set()
        )
    return {
        name: next((verdict for verdict in _SEVERITY if verdict in service_statuses), "ok")
        for name, service_statuses in statuses.items()
    }


def is_failure(result: Result, *, strict: bool = False) -> bool:
    """Whether a result fails a command: it has an open error or warning; `strict`: or a notice or an unknown."""
    return bool(result.findings) or (strict and bool(result.notices or result.unknown))
