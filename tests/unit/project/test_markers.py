"""Markers, evaluated for the drafted environment, of which the Python may be unknown."""

from __future__ import annotations

import sys

import pytest

from torchpin.project.markers import MarkerTarget, holds

UNKNOWN, KNOWN = MarkerTarget(), MarkerTarget(python="3.12", machine="x86_64")


@pytest.mark.parametrize(
    ("marker", "unknown", "known"),
    [
        ("sys_platform == 'win32'", False, False),
        ("sys_platform == 'linux'", True, True),
        ("python_version < '3.11'", None, False),
        ("python_version >= '3.8'", True, True),
        ("python_full_version >= '3.12.4'", None, None),
        ("platform_machine == 'x86_64'", None, True),
        ("platform_machine in 'x86_64 aarch64'", True, True),
        ("extra == 'dev'", False, False),
        ("platform_release > '5'", None, None),
        ("'a' in 'b'", None, None),
        ("not a marker", None, None),
        ("", True, True),
    ],
)
def test_a_marker_holds_does_not_or_may(marker: str, unknown: bool | None, known: bool | None) -> None:
    assert (holds(marker, UNKNOWN), holds(marker, KNOWN)) == (unknown, known)


def test_torchpin_s_own_python_decides_nothing() -> None:
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.13" if release != "3.13" else "3.12"
    assert holds(f"python_version == '{release}'", MarkerTarget(python=other)) is False
    assert holds(f"python_version == '{release}'", UNKNOWN) is None


def test_extras_and_groups_count_where_they_are_asked_for() -> None:
    assert holds("extra == 'gpu' and python_version > '3'", KNOWN, extras=["dev", "gpu"])
    assert holds("'gpu' in extras", KNOWN, extras=["gpu"])
    assert holds("'test' in dependency_groups", KNOWN) is False
    assert holds("'test' in dependency_groups", KNOWN, groups=["test"])


def test_a_marker_nested_too_deep_may_hold() -> None:
    assert holds("(" * 2_000 + "os_name=='posix'" + ")" * 2_000, KNOWN) is None


@pytest.mark.parametrize(
    ("marker", "extras", "answer"),
    [
        ("extra == 'cpu' and extra != 'cuda'", {"cuda"}, False),
        ("extra == 'cuda' and extra != 'cpu'", {"cuda"}, True),
        ("extra == 'cuda' and extra != 'cpu'", {"cuda", "cpu"}, False),
        ("'cuda' == extra", {"cuda"}, True),
        ("extra != 'cuda'", set(), True),
        ("extra == 'My_Extra'", {"my-extra"}, True),
    ],
)
def test_a_clause_about_an_extra_says_whether_it_is_among_those_that_are_asked_for(
    marker: str, extras: set[str], answer: bool
) -> None:
    assert holds(marker, KNOWN, extras) is answer
