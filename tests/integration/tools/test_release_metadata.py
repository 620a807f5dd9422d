"""What releases on PyPI require, by their METADATA alone."""

from __future__ import annotations

from datetime import date

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.model import Settings
from torchpin.tools import pypi, release_metadata

UNTIL = date(2026, 11, 24)

pytestmark = pytest.mark.network


def test_the_requirements_of_a_release_are_those_of_its_wheel() -> None:
    index = pypi.index_address(Settings())
    lines = release_metadata.read_requirements(index, "torchvision", Version("0.22.1"), until=UNTIL)
    assert "torch==2.7.1" in {str(Requirement(line)) for line in lines}
    assert release_metadata.read_requirements(index, "torchvision", Version("0.22.99"), until=UNTIL) == ()


def test_a_release_without_a_wheel_says_nothing() -> None:
    index = pypi.index_address(Settings())
    assert release_metadata.read_requirements(index, "dadaptation", Version("3.2"), until=UNTIL) == ()
