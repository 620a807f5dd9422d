"""The runner: statuses, waivers, checks that raise, and the verdict on a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import (
    FILE,
    TODAY,
    UV,
    Builders,
    environment_with_source,
    make_context,
    make_torch,
    pytorch_lock,
    run_check,
    waiver,
)
from support.results import FINDING, WAIVER, WARNING, lora, make_result
from torchpin.checks import registry, run
from torchpin.checks.context import CheckContext
from torchpin.checks.registry import REGISTRY, Accepted, Result, Unknown
from torchpin.commands.judge import exit_code
from torchpin.errors import FindingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.model import Environment, Level

UNKNOWN = make_result(status="unknown", unknown=("?",))
FAILED = make_result(status="failed", findings=(FINDING,))


def test_a_finding_has_its_fact_as_evidence(kit: Builders) -> None:
    (gpu_finding,) = run_check(kit.environment(gpus=("B200",)), "GPU001").findings
    (torch_finding,) = run_check(kit.environment(torch=make_torch("2.6.0")), "TOR001").findings
    (lock_finding,) = kit.check_lock("LCK005", locks=pytorch_lock(kit, "0" * 64)).findings
    (source_finding,) = run_check(
        environment_with_source(kit), "SRC005", clones={"sd-scripts": "a link"}
    ).findings
    assert "pytorch/builder" in gpu_finding.evidence
    assert torch_finding.evidence == f"index snapshot: {lock_finding.evidence}"
    assert lock_finding.evidence.endswith("(2026-03-15)")
    assert source_finding.evidence == FILE


def test_the_documents_are_judged_once_for_all_environments(kit: Builders) -> None:
    both = kit.environment(), kit.environment(variant="cpu", channel="cpu")
    context = CheckContext(
        environments=both,
        today=TODAY,
        uv=UV,
        locks={env.name: kit.lock(env) for env in both},
        documents={"A.md": ("a", "b")},
    )
    statuses = [
        (check_result.environment, check_result.status)
        for check_result in run.run(context)
        if check_result.check == "DOC001"
    ]
    assert statuses == [("lora-gpu", "failed"), ("lora-cpu", "ok")]


def test_a_finding_outweighs_what_is_unknown(kit: Builders) -> None:
    check_result = run_check(kit.environment(gpus=("B100", "B200")), "GPU001")
    assert check_result.status == "incompatible"
    assert [finding.about for finding in check_result.findings] == ["B200"]
    assert len(check_result.unknown) == 1  # it is kept beside the finding


def test_a_waived_finding_does_not_make_the_unknown_ok(kit: Builders) -> None:
    env = kit.environment(gpus=("B100", "B200"), waivers=(waiver("GPU001", "B200"),))
    assert run_check(env, "GPU001").status == "unknown"


def test_a_waived_finding_is_shown_and_does_not_block(kit: Builders) -> None:
    env = kit.environment(gpus=("B200",), waivers=(waiver("GPU001", "B200"),))
    check_result = run_check(env, "GPU001")
    assert (check_result.status, check_result.findings) == ("waived", ())
    assert [(accepted.finding.about, accepted.waiver.reason) for accepted in check_result.accepted] == [
        ("B200", "known")
    ]
    assert run.blocking_findings([check_result]) == ()
    assert exit_code([check_result]) == 0


@pytest.mark.parametrize(("check", "about"), [("GPU001", "H200"), ("TOR001", "B200"), ("GPU001", "B20")])
def test_a_waiver_is_for_its_check_and_subject_alone(check: str, about: str, kit: Builders) -> None:
    env = kit.environment(gpus=("B200",), waivers=(waiver(check, about),))
    assert run_check(env, "GPU001").status == "incompatible"


def test_what_is_not_waived_stays_a_finding(kit: Builders) -> None:
    env = kit.environment(gpus=("B200", "B300"), waivers=(waiver("GPU001", "B200"),))
    check_result = run_check(env, "GPU001")
    assert check_result.status == "incompatible"
    assert [finding.about for finding in check_result.findings] == ["B300"]


def test_a_gpu_is_waived_by_any_of_its_names(kit: Builders) -> None:
    env = kit.environment(gpus=("RTX 5090",), waivers=(waiver("GPU001", "GeForce RTX 5090"),))
    assert run_check(env, "GPU001").status == "waived"


def test_a_check_that_raises_is_a_failed_check(registering: Callable[..., Any], kit: Builders) -> None:
    def broken(context: CheckContext, env: Environment) -> Iterator[Unknown]:
        """Report it."""
        yield Unknown(message="half of it")
        raise KeyError("torch")

    registering("XYZ001", "it breaks")(broken)
    check_result = run_check(kit.environment(), "XYZ001")
    (finding,) = check_result.findings
    assert (check_result.status, finding.location) == ("failed", FILE)
    assert finding.message == "the check raised KeyError: 'torch'"
    assert exit_code([check_result]) == FindingsError.exit_code
    assert finding.help == "report this line as a bug in torchpin"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((), "not applicable"),
        (("ok",), "ok"),
        (("ok", "unknown"), "unknown"),
        (("ok", "unknown", "error"), "incompatible"),
        (("ok", "error"), "incompatible"),
    ],
)
def test_a_judge_s_check_is_ok_only_from_evidence(
    answers: tuple[str, ...], status: str, registering: Callable[..., Any], kit: Builders
) -> None:
    values: dict[str, registry.Answer] = {
        "ok": registry.Ok(about="x", evidence="seen"),
        "unknown": Unknown(message="who knows"),
    }

    def answering_so(context: CheckContext, env: Environment) -> Iterator[registry.Answer]:
        """Fix it."""
        del context
        yield from (values.get(answer) or registry.finding(env, "here", "wrong") for answer in answers)

    registering("XYZ003", "it answers as the test needs", judge=True)(answering_so)
    check_result = run_check(kit.environment(), "XYZ003")
    assert (check_result.status, len(check_result.unknown), len(check_result.evidence)) == (
        status,
        answers.count("unknown"),
        answers.count("ok"),
    )


def check_with_level(registering: Callable[..., Any], kit: Builders, level: Level, *, judge: bool) -> Result:
    """The result of a check with one finding of this level."""

    def reporting(context: CheckContext, env: Environment) -> Iterator[registry.Answer]:
        """Fix it."""
        del context
        yield registry.finding(env, "here", "wrong", level=level)

    registering("XYZ004", "it reports", judge=judge)(reporting)
    return run_check(kit.environment(), "XYZ004")


@pytest.mark.parametrize(
    ("level", "for_judge", "status"),
    [
        ("error", True, "incompatible"),
        ("error", False, "failed"),
        ("warning", True, "warning"),
        ("warning", False, "warning"),
    ],
)
def test_an_error_or_a_warning_fails_the_command_and_only_an_error_stops_a_lock(
    level: Level, status: str, registering: Callable[..., Any], kit: Builders, *, for_judge: bool
) -> None:
    check_result = check_with_level(registering, kit, level, judge=for_judge)
    assert (check_result.status, exit_code([check_result])) == (status, FindingsError.exit_code)
    assert (check_result.notices, len(check_result.findings)) == ((), 1)
    assert bool(run.blocking_findings([check_result])) == (level == "error")


@pytest.mark.parametrize("for_judge", [True, False])
def test_a_notice_is_kept_and_fails_nothing_but_a_strict_command(
    registering: Callable[..., Any], kit: Builders, *, for_judge: bool
) -> None:
    check_result = check_with_level(registering, kit, "notice", judge=for_judge)
    assert (check_result.status, check_result.findings) == ("ok", ())
    assert [(notice.message, notice.help) for notice in check_result.notices] == [("wrong", "fix it")]
    assert run.blocking_findings([check_result]) == ()
    assert exit_code([check_result]) == 0
    assert exit_code([check_result], strict=True) == FindingsError.exit_code


def test_an_unknown_fails_only_a_strict_command(kit: Builders) -> None:
    check_result = run_check(kit.environment(gpus=("B100",)), "GPU001")
    assert (check_result.status, exit_code([check_result])) == ("unknown", 0)
    assert exit_code([check_result], strict=True) == FindingsError.exit_code


def test_a_waived_notice_is_accepted(kit: Builders) -> None:
    waived = run_check(kit.environment(waivers=(waiver("TOR004", "cu121"),)), "TOR004")
    assert (waived.status, waived.notices, len(waived.accepted)) == ("waived", (), 1)
    assert exit_code([waived], strict=True) == 0


def test_every_check_runs_on_every_environment_in_the_order_of_the_ids(kit: Builders) -> None:
    both = kit.environment(), kit.environment(variant="cpu", channel="cpu")
    pairs = [(check_result.environment, check_result.check) for check_result in run.run(make_context(*both))]
    assert pairs == [(env.name, check.id) for env in both for check in run.registered_checks()]
    assert [id_ for _, id_ in pairs] == sorted({id_ for _, id_ in pairs}) * 2


def test_the_judge_runs_only_checks_without_a_need(kit: Builders) -> None:
    check_ids = {check_result.check for check_result in run.run(make_context(kit.environment()), judge=True)}
    assert check_ids == {check.id for check in run.registered_checks() if check.judge}
    assert not any(REGISTRY[check_id].needs for check_id in check_ids)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((make_result(status="ok"),), "ok"),
        ((UNKNOWN,), "unknown"),
        ((make_result(status="warning", findings=(WARNING,)), UNKNOWN), "warning"),
        ((make_result(status="warning", findings=(WARNING,)), FAILED), "failed"),
        ((FAILED, make_result(status="incompatible", findings=(FINDING,))), "incompatible"),
        ((make_result(status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),)),), "ok"),
        ((make_result(status="waived", unknown=("?",)),), "unknown"),
        ((make_result(status="ok", notices=(FINDING,)),), "ok"),
        ((make_result(status="not applicable"), make_result(status="skipped")), "ok"),
    ],
)
def test_a_service_has_the_verdict_of_its_worst_result(rows: tuple[Result, ...], verdict: str) -> None:
    env, _ = lora()
    assert run.verdicts(rows, [env]) == {"lora": verdict}
