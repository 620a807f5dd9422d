"""GPU004: GPUs that a pinned ABI wheel does not support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import judge_check
from support.dependencies import make_environment

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("gpu", "status", "capability"),
    [
        ("T4", "warning", "7.5"),
        ("Tesla V100-SXM2-16GB", "warning", "7.0"),
        ("A100", "ok", ""),
        ("RTX 4090", "ok", ""),
        ("sm_75", "warning", "7.5"),
        ("RTX 9999", "unknown", ""),
    ],
)
def test_flash_attn_needs_ampere(environment: Environments, gpu: str, status: str, capability: str) -> None:
    env = make_environment(environment, "flash-attn==2.8.3", torch="2.7.1", gpus=(gpu,))
    result = judge_check(env, "GPU004")
    assert result.status == status
    if capability:
        (finding,) = result.findings
        assert finding.message == (
            f"flash-attn 2.8.3 supports GPUs from compute capability 8.0; {gpu} has {capability}"
        )


def test_without_an_abi_wheel_it_does_not_apply(environment: Environments) -> None:
    env = make_environment(environment, "numpy==2.3.0", torch="2.7.1", gpus=("T4",))
    assert judge_check(env, "GPU004").status == "not applicable"
