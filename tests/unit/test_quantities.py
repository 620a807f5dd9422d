"""Numbers with what they count, and bytes, in words."""

from __future__ import annotations

import pytest

from torchpin.quantities import count, format_bytes


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
