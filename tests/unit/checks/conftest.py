"""Builders, and a register that is restored, for the tests of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import Builders
from torchpin.checks import registry
from torchpin.checks.registry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.fixture_types import Artifacts, Environments, Locks


@pytest.fixture
def kit(environment: Environments, lock: Locks, artifact: Artifacts) -> Builders:
    return Builders(environment, lock, artifact)


@pytest.fixture
def registering() -> Iterator[Callable[..., Any]]:
    """The decorator that registers checks; what it registers is removed after the test."""
    before = dict(REGISTRY)
    yield registry.check
    REGISTRY.clear()
    REGISTRY.update(before)
