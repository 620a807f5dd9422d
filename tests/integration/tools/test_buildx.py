"""A real builder's platforms."""

from __future__ import annotations

import pytest

from torchpin.errors import ToolError
from torchpin.tools import buildx

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_a_platform_that_the_builder_lacks_is_named() -> None:
    with pytest.raises(ToolError, match="the builder does not support linux/s390x"):
        buildx.expect_platform("linux/s390x")


def test_attestations_are_refused_where_the_engine_would_lose_them() -> None:
    with pytest.raises(
        ToolError,
        match=r"\(driver docker\) cannot attest: the engine's image store keeps no attestations; switch",
    ):
        buildx.expect_attestations()
