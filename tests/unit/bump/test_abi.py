"""flash-attn, whose wheels are for one build of torch each, follows torch, or says why it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.bumps import bump_context, plans
from torchpin.bump import plan
from torchpin.bump.model import BumpContext
from torchpin.bump.target import parse_targets
from torchpin.description import read

if TYPE_CHECKING:
    from torchpin.bump.model import Plan

FILE = "services/attention/service.yaml"
TEXT = """\
name: attention
summary: Attention alone
python: "3.12.11"
base: {image: "nvidia/cuda:12.6.3-base-ubuntu22.04", rationale: "Small."}
torch: {version: "TORCH", companions: {}}
gpus: [L40S]
variants:
  gpu: {channel: cu126, platform: linux/amd64}
layers:
  - {name: attention, packages: [flash-attn==VERSION]}
  - {name: tools, packages: [einops==0.8.1]}
imports: [torch]
"""


def plan_bump(version: str, torch: str, *targets: str) -> Plan:
    text = TEXT.replace("VERSION", version).replace("TORCH", torch)
    context = replace(BumpContext(texts={FILE: text}, locks={}, today=bump_context().today))
    (planned,) = plan.plans(read.read_services({FILE: text}), parse_targets(*targets), context)
    return planned


def test_a_version_without_a_wheel_for_the_new_torch_moves_to_the_nearest_with_one() -> None:
    planned = plan_bump("2.8.0.post2", "2.7.1", "torch==2.8.0")
    assert planned.held_back == ""
    (move,) = (move for move in planned.moves if move.what == "flash-attn")
    assert move.after == "flash-attn==2.8.1"
    assert move.why == "the nearest version with a wheel for torch 2.8.0"


def test_a_version_with_a_wheel_for_both_stays() -> None:
    planned = plan_bump("2.8.3", "2.7.1", "torch==2.8.0")
    assert planned.held_back == ""
    assert "flash-attn" not in {move.what for move in planned.moves}


def test_a_requested_version_is_not_replaced() -> None:
    planned = plan_bump("2.8.0.post2", "2.7.1", "torch==2.9.1", "flash-attn==2.8.2")
    assert planned.is_conflict
    assert planned.held_back.startswith("flash-attn 2.8.2: no wheel for platform linux_x86_64, torch 2.9")


def test_without_a_wheel_in_any_version_the_service_is_held_back() -> None:
    planned = plans("torch==2.9.1", services=("seedvr",))["seedvr"]
    assert planned.held_back.startswith("flash-attn 2.8.3: no wheel for platform linux_x86_64, torch 2.9")
    assert planned.help == "choose Python 3.12; or remove flash-attn from its layer"
    assert planned.is_conflict
