"""Version strings are compared by version; ranges and names of builds compare as nothing."""

from __future__ import annotations

import pytest

from torchpin import facts
from torchpin.facts import versions


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("2.10", "2.9", True),
        ("2.9", "2.9", False),
        ("2.9", "2.10", False),
        ("2.5.1+cu121", "2.5.1", True),
        ("~=3", "2", False),
        ("2", "latest", False),
    ],
)
def test_later_compares_versions_alone(version: str, than: str, *, expected: bool) -> None:
    assert versions.is_later(version, than) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.5.1+cu121", True),
        ("3", True),
        ("~=3.0", False),
        ("", False),
        ("cu121", False),
        ("9" * 5_000, False),
    ],
)
def test_a_range_or_a_name_is_not_a_version(text: str, *, expected: bool) -> None:
    assert versions.is_version(text) is expected


@pytest.mark.parametrize(
    ("version", "expected"), [("2.5.1+cu121", "2.5"), ("12.4.1", "12.4"), ("3.10", "3.10"), ("12", "12")]
)
def test_major_and_minor_are_the_first_two_parts(version: str, expected: str) -> None:
    assert versions.major_minor(version) == expected


def test_every_series_of_a_channel_is_a_major_and_minor() -> None:
    assert all(
        versions.major_minor(series) == series for channel in facts.channels() for series in channel.series
    )
