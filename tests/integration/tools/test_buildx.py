"""A real builder's platforms."""

from __future__ import annotations

import pytest

from torchpin.errors import ToolError
from torchpin.tools import buildx

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_a_platform_that_the_builder_lacks_is_named() -> None:
    with pytest.raises(ToolError, match="the builder does not support linux/s390x"):
        buildx.expect_platform("linux/s390x")
