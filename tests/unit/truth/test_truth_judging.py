"""How the benchmark of truth counts: what refuses a case, what is an alarm, what is unknown."""

from __future__ import annotations

import pytest
from truth_cases import Case
from truth_judging import Judgement, Rates, answer, judge, rates

from torchpin.checks.registry import Result
from torchpin.model import Finding, Level

BAD = Case(
    id="a", expect="bad", kind="gpu", source="a/b#1", date="2026-01-01", file="x.yaml", about=("B200",)
)
GOOD = Case(id="b", expect="good", kind="gpu", source="a/b#1", date="2026-01-01", file="x.yaml")


def make_result(check: str, message: str = "", level: Level = "error", unknown: str = "") -> Result:
    finding = Finding(location="", message=message, help="", level=level)
    return Result(
        check=check,
        title="",
        environment="case-gpu",
        status="ok",
        findings=(finding,) if message else (),
        unknown=(unknown,) if unknown else (),
    )


@pytest.mark.parametrize("level", ["error", "warning"])
def test_a_finding_of_an_asked_check_that_names_the_subject_refuses(level: Level) -> None:
    judgement = answer(BAD, [make_result("GPU001", "no code for NVIDIA b200", level)])
    assert (judgement.answer, judgement.detail) == ("refused", "GPU001: no code for NVIDIA b200")


def test_another_check_or_another_subject_does_not_refuse() -> None:
    judgement = answer(
        BAD, [make_result("TOR001", "not for B200"), make_result("GPU001", "no code for H100")]
    )
    assert (judgement.answer, judgement.detail) == (
        "missed",
        "TOR001: not for B200; GPU001: no code for H100",
    )


def test_an_unknown_of_an_asked_check_is_a_miss_and_unknown() -> None:
    judgement = answer(
        BAD, [make_result("GPU001", unknown="B200 is not known"), make_result("TOR001", unknown="x")]
    )
    assert (judgement.answer, judgement.unknown) == ("missed", "GPU001: B200 is not known")


def test_any_error_alarms_and_a_warning_does_not() -> None:
    assert answer(GOOD, [make_result("DEP001", "wrong")]).answer == "alarmed"
    assert answer(GOOD, [make_result("DEP001", "careful", "warning")]).answer == "passed"


def test_an_unknown_of_a_check_that_is_not_asked_is_none() -> None:
    assert answer(GOOD, [make_result("TOR001", unknown="x")]).unknown == ""
    assert answer(GOOD, [make_result("GPU001", unknown="x")]).unknown == "GPU001: x"


@pytest.mark.parametrize(("kind", "unknown"), [("lock", ""), ("files", "DEP004: x")])
def test_files_that_no_row_states_are_unknown_where_they_are_the_question(kind: str, unknown: str) -> None:
    case = Case(id="b", expect="good", kind=kind, source="a/b#1", date="2026-01-01", file="x.yaml")
    assert answer(case, [make_result("DEP004", unknown="x")]).unknown == unknown


def test_a_missing_digest_is_not_counted() -> None:
    case = Case(
        id="c", expect="bad", kind="libc", source="a/b#1", date="2026-01-01", file="x.yaml", about=("ubuntu",)
    )
    assert answer(case, [make_result("BAS002", "ubuntu:18.04 has no digest", "warning")]).answer == "missed"


def test_rates_are_shares() -> None:
    rows = [
        Judgement(case=BAD, answer="refused"),
        Judgement(case=BAD, answer="refused"),
        Judgement(case=BAD, answer="missed", unknown="x"),
        Judgement(case=BAD, answer="missed"),
        Judgement(case=GOOD, answer="passed"),
    ]
    assert rates(rows) == Rates(recall=0.5, false_alarms=0.0, unknown=0.2)
    assert rates([]) == Rates(recall=1.0, false_alarms=0.0, unknown=0.0)


def test_a_case_is_judged_by_the_checks_themselves() -> None:
    pins = {"python": "3.10", "base": "ubuntu:22.04", "torch": "2.6.0", "channel": "cu121"}
    case = Case(
        id="d", expect="bad", kind="release", source="a/b#1", date="2026-01-01", file="x.yaml",
        about=("torch 2.6.0",), pins=pins,
    )  # fmt: skip
    assert judge(case).answer == "refused"
