"""Numbers with what they count, and bytes, in words."""

from __future__ import annotations

import pytest

from torchpin.quantities import count, format_bytes, format_megabytes


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1336, "1,336 entries")]
)
def test_a_noun_agrees_with_its_number(number: int, text: str) -> None:
    assert count(number, "entry", "entries") == text
    assert count(number, "file") == text.replace("entry", "file").replace("entries", "files")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (886_000_000, "886 MB"), (6_340_000_000, "6.3 GB")],
)
def test_bytes_are_shown_in_the_largest_unit_that_fits(number: int, text: str) -> None:
    assert format_bytes(number) == text


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [(0, 0, "0 MB"), (7_214_600_000, 0, "7,215 MB"), (209_540_000, 1, "209.5 MB")],
)
def test_megabytes_are_shown_whatever_their_number(number: int, digits: int, text: str) -> None:
    assert format_megabytes(number, digits=digits) == text
