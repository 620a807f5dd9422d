"""Markers hold, do not hold, or cannot be evaluated, which is no exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from torchpin.compat.markers import marker_holds
from torchpin.compat.recommendations import applicable_requirements

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a==1", True),
        ("a==1; sys_platform == 'linux'", True),
        ("a==1; sys_platform == 'win32'", False),
        ("a==1; extra == 'b'", False),
        ("a==1; os_name ~= 'x'", None),
        ("a==1; 'a' in 'b'", None),
    ],
)
def test_a_marker_holds_or_not_or_it_cannot_be_said(text: str, holds: bool | None) -> None:
    assert marker_holds(Requirement(text).marker, {"sys_platform": "linux", "os_name": "posix"}) is holds


def test_lines_that_cannot_be_decided_are_left_out(environment: Environments) -> None:
    deep = f"a; {'(' * 3_000}os_name == 'posix'{')' * 3_000}"
    lines = [
        "b==1",
        deep,
        "c; 'a' in 'b'",
        "-e .",
        "d; python_version == '3.10'",
        "e; python_version == '3.11'",
    ]
    names = [requirement.name for requirement in applicable_requirements(lines, environment())]
    assert names == ["b", "d"]
