"""The version of a partner that other packages bring."""

from __future__ import annotations

import pytest
from packaging.version import Version

from torchpin.compat.partners import fitting_version


@pytest.mark.parametrize(
    ("name", "torch", "resolved", "expected"),
    [
        (
            "torchaudio",
            "2.8.0",
            "2.11.0",
            "2.8.0",
        ),  # its metadata name no torch, so a resolver takes the newest
        ("torchaudio", "2.8.0", "2.8.0", "2.8.0"),
        ("torchaudio", "2.12.0", "2.11.0", "2.11.0"),
        ("torchvision", "2.8.0", "0.23.0", "0.23.0"),
        ("torchvision", "2.8.0", "99.0.0", "99.0.0"),  # of which nothing is known
        ("no-partner", "2.8.0", "1.0", "1.0"),
    ],
)
def test_a_version_of_another_torch_gives_way_to_the_best_of_this_one(
    name: str, torch: str, resolved: str, expected: str
) -> None:
    assert fitting_version(name, Version(torch), Version(resolved)) == Version(expected)
