"""Cases of checks as tables: what a check is given, and what it must find where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from torchpin.checks.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.checks import Builders
    from torchpin.checks.registry import Result


@dataclass(frozen=True)
class Case:
    """A check, in words what it is given, how its result comes about, and where it must find what."""

    id: str
    summary: str
    result: Callable[[Builders], Result]
    location: str = ""
    message: str = ""
    count: int = 1


def parametrize_cases(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "case", cases, ids=[f"{case.id} {case.summary}".replace(" ", "-") for case in cases]
    )


def assert_passes(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), ""), check_result


def failing_status(result: Result) -> str:
    """The status of a result with open findings, which its check and their levels imply."""
    if all(finding.level == "warning" for finding in result.findings):
        return "warning"
    return "incompatible" if REGISTRY[result.check].judge else "failed"


def assert_finds(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert check_result.status == failing_status(check_result), check_result
    assert len(check_result.findings) == case.count, check_result
    assert (check_result.findings[0].location, check_result.findings[0].message) == (
        case.location,
        case.message,
    ), check_result
    assert all(finding.help for finding in check_result.findings)
    assert {finding.service for finding in check_result.findings} == {"lora"}
