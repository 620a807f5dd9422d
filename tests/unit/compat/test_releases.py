"""The releases that an environment could move to, and the versions of their companions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.layers import make_layer
from torchpin import facts
from torchpin.compat import releases
from torchpin.facts.versions import is_version

if TYPE_CHECKING:
    from support.fixture_types import Environments


def test_every_recorded_triton_that_is_a_range_is_left_out(environment: Environments) -> None:
    family = [
        releases.family_versions(environment(), release.version).get("triton", "0")
        for release in facts.releases()
    ]
    assert all(map(is_version, family))


def test_a_wheel_with_an_abi_in_its_name_that_a_release_lacks_is_named_with_the_channels(
    environment: Environments,
) -> None:
    env = environment(layers=(make_layer("attention", "flash-attn==2.8.3"),))
    assert releases.missing_abi_wheels(env, "2.8.0", ("cu128", "cpu")) == [
        "flash-attn==2.8.3 has no wheel for cpu"
    ]
