"""Tags are ordered by their numbers, whatever they are made of."""

from __future__ import annotations

from torchpin.tools.git import nearest_tags

LONG_TAG = "v0." + "9" * 5_000  # Python converts no number of so many digits


def test_tags_with_other_digits_and_long_numbers_are_ordered() -> None:
    tags = dict.fromkeys(["v0.9.1", "v0.10.0", "1²", LONG_TAG], "0f" * 20)
    assert nearest_tags("v0.11.0", tags)[:2] == ["v0.10.0", LONG_TAG]
