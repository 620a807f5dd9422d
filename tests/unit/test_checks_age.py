"""FAC: a verdict rests on facts that somebody has looked at."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from torchpin.checks import rules, run
from torchpin.checks.context import CheckContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.model import Environment

    Make = Callable[..., Environment]

assert rules  # importing it registers the checks


def run_fac001(env: Environment, today: date) -> Result:
    evidence = CheckContext(environments=(env,), today=today, uv="0.13.9")
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == "FAC001"]
    return result


@pytest.mark.parametrize(
    ("channel", "today", "status"),
    [
        ("cpu", date(2026, 11, 24), "ok"),
        ("cpu", date(2027, 3, 15), "ok"),  # the last day of the page
        ("cpu", date(2027, 3, 16), "found"),
        ("cu121", date(2027, 3, 16), "ok"),  # frozen: its page does not age
        ("cu121", date(2028, 1, 1), "found"),  # but the rows do
        ("cu999", date(2026, 11, 24), "unknown"),
    ],
)
def test_facts_are_good_for_their_days(channel: str, today: date, status: str, environment: Make) -> None:
    result = run_fac001(environment(channel=channel), today)
    assert result.status == status
    assert {finding.level for finding in result.findings} == ({"warning"} if status == "found" else set())


def test_an_old_fact_is_named_with_its_days(environment: Make) -> None:
    result = run_fac001(environment(channel="cpu"), date(2027, 3, 16))
    assert [finding.message for finding in result.findings] == [
        "index: cpu is of 2026-03-15, 366 days old; it is good for 365"
    ]


def test_only_the_services_that_rest_on_an_old_fact_have_the_finding(environment: Make) -> None:
    today = date(2027, 3, 16)
    assert run_fac001(environment(channel="cu121"), today).status == "ok"
