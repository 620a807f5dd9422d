"""CHN: what a channel of another kind has is said, and the checks that know nothing of it say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from packaging.version import Version

from support.checks import judge_check, make_torch
from torchpin import facts
from torchpin.bump import torch as bump_torch
from torchpin.bump.model import HeldError
from torchpin.bump.target import parse_targets
from torchpin.commands import bump, resolving
from torchpin.compat.gpus import judge_gpu
from torchpin.errors import InputError

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("channel", "what"),
    [
        ("rocm6.3", "builds for AMD GPUs (ROCm)"),
        ("rocm6.2.4", "builds for AMD GPUs (ROCm)"),
        ("xpu", "builds for Intel GPUs (XPU)"),
        ("nightly/cu128", "builds of torch's development branch"),
        ("test/cu130", "release candidates of torch"),
        ("jp6/cu126", "NVIDIA's builds for Jetson (JetPack)"),
        ("l4t", "NVIDIA's builds for Jetson (JetPack)"),
    ],
)
def test_a_channel_of_another_kind_is_said_to_be_one(
    channel: str, what: str, environment: Environments
) -> None:
    result = judge_check(environment(channel=channel, torch=make_torch("2.8.0")), "CHN001")
    (finding,) = result.findings
    assert result.status == "incompatible"
    assert finding.message.startswith(f"torchpin does not lock or build from {channel}: it has {what}")
    assert f"{channel} would need " in finding.help
    assert finding.evidence


@pytest.mark.parametrize("channel", ["cu128", "cpu", "pypi", "cu999"])
def test_a_channel_of_pytorchs_releases_is_none(channel: str, environment: Environments) -> None:
    assert facts.other_channel(channel) is None
    assert judge_check(environment(channel=channel), "CHN001").status == "not applicable"


def test_gpus_and_drivers_of_other_builds_are_not_judged(environment: Environments) -> None:
    env = environment(channel="rocm6.3", torch=make_torch("2.8.0"), gpus=("MI300X",), driver="570.26")
    for check in ("GPU001", "GPU002", "GPU003", "TOR001", "TOR003", "TOR004", "BAS003", "FAC001"):
        assert judge_check(env, check).status == "not applicable", check
    verdict = judge_gpu(env, facts.gpu("MI300X"))
    assert (verdict.status, verdict.reason) == (
        "unknown", "rocm6.3 has builds for AMD GPUs (ROCm), which are not judged",
    )  # fmt: skip
    assert judge_gpu(env, facts.gpu("H100")).status == "unknown"


def test_no_lock_and_no_update_is_made_of_one(environment: Environments) -> None:
    env, nothing = environment(channel="rocm6.3", torch=make_torch("2.8.0")), cast("Any", None)
    text = "rocm6.3: it has builds for AMD GPUs"
    with pytest.raises(InputError, match=text), resolving.channel_index(nothing, env, recorded=False):
        pass
    with pytest.raises(InputError, match=text):
        bump.bump_context(nothing, parse_targets("torch==2.9.1"), channel="rocm6.3")
    with pytest.raises(HeldError, match=text):
        bump_torch._choose_channel(env, Version("2.9.1"), "")
