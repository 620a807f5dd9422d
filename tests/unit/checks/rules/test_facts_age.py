"""FAC: the facts behind a verdict are within their maximum age."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from support.checks import judge_check
from torchpin.checks import run

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.checks.registry import Result
    from torchpin.model import Environment


def run_fac001(env: Environment, today: date) -> Result:
    return judge_check(env, "FAC001", today=today)


@pytest.mark.parametrize(
    ("channel", "today", "status"),
    [
        ("cpu", date(2026, 11, 24), "ok"),
        ("cpu", date(2027, 3, 15), "ok"),  # the last day of the page
        ("cpu", date(2027, 3, 16), "notice"),
        ("cu121", date(2027, 3, 16), "ok"),  # frozen: its page does not age
        ("cu121", date(2028, 1, 1), "notice"),  # but the rows do
        ("cu999", date(2026, 11, 24), "unknown"),
    ],
)
def test_facts_are_good_for_their_days(
    channel: str, today: date, status: str, environment: Environments
) -> None:
    result = run_fac001(environment(channel=channel), today)
    assert result.status == ("ok" if status == "notice" else status)
    assert result.findings == ()
    assert {notice.level for notice in result.notices} == ({"notice"} if status == "notice" else set())
    assert not run.is_failure(result)
    assert run.is_failure(result, strict=True) is (status != "ok")


def test_an_old_fact_is_named_with_its_days(environment: Environments) -> None:
    result = run_fac001(environment(channel="cpu"), date(2027, 3, 16))
    assert [notice.message for notice in result.notices] == [
        "index: cpu is 366 days old (2026-03-15); its maximum age is 365 days"
    ]


def test_only_the_services_that_rest_on_an_old_fact_have_the_finding(environment: Environments) -> None:
    today = date(2027, 3, 16)
    result = run_fac001(environment(channel="cu121"), today)
    assert (result.status, result.notices) == ("ok", ())
