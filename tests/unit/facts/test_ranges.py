"""Ranges of releases as text."""

from __future__ import annotations

import pytest
from packaging.version import Version

from torchpin.facts.ranges import format_ranges, in_ranges, parse_ranges

RELEASES = ["1.0", "1.1", "2.0", "2.0.post1", "3.0"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], ""),
        (RELEASES, "*"),
        (["1.0"], "1.0"),
        (["1.0", "1.1"], "1.0..1.1"),
        (["1.0", "2.0", "2.0.post1", "3.0"], "1.0, 2.0..3.0"),
    ],
)
def test_ranges_are_written_and_read(members: list[str], expected: str) -> None:
    assert format_ranges(RELEASES, members) == expected
    assert [text for text in RELEASES if in_ranges(expected, Version(text))] == members


def test_no_releases_have_no_ranges() -> None:
    assert format_ranges([], []) == ""


@pytest.mark.parametrize("text", ["x", "1.0..y", "1.0,2.0", "1.0.."[:-1] + "-"])
def test_other_texts_are_no_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="is not a range"):
        parse_ranges(text)
