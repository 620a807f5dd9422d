"""A bump of torch moves its partners wherever they stand, and leaves those that go with it as they are."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from torchpin.bump import plan
from torchpin.bump.model import BumpContext
from torchpin.bump.target import parse_targets
from torchpin.description import read

if TYPE_CHECKING:
    from torchpin.bump.model import Plan

CLIPS = "services/clips/service.yaml"
TEXT = """\
name: clips
summary: Video clips decoded on the GPU
python: "3.11.13"
base:
  image: nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04
  digest: sha256:17e2934e1fa96152b14f78078bfbafd0f00f391df995dc6c641a720fce1202bb
  rationale: Runtime libraries only.
torch:
  version: "{torch}"
  companions: {{{companions}}}
gpus: [L40S]
variants:
  gpu: {{channel: cu126, platform: linux/amd64}}
layers:
  - name: decoding
    packages:
      - tqdm==4.66.5
{pins}imports: [torch]
"""


def plan_bump(torch: str, to: str, *pins: str, companions: str = "") -> Plan:
    lines = "".join(f"      - {pin}\n" for pin in pins)
    text = TEXT.format(torch=torch, companions=companions, pins=lines)
    context = BumpContext(texts={CLIPS: text}, locks={}, today=date(2026, 11, 24), services=("clips",))
    (planned,) = plan.plans(read.read_services({CLIPS: text}), parse_targets(f"torch=={to}"), context)
    return planned


def moved(planned: Plan) -> dict[str, str]:
    assert planned.held_back == ""
    return {
        move.what: move.after
        for move in planned.moves
        if move.what != "torch" and move.what[:4] not in {"vari", "base"}
    }


@pytest.mark.parametrize(
    ("torch", "to", "pins", "after"),
    [
        ("2.7.1", "2.8.0", ("torchcodec==0.5",), {"torchcodec": "torchcodec==0.7.0"}),
        ("2.7.1", "2.8.0", ("xformers==0.0.31.post1",), {"xformers": "xformers==0.0.32.post2"}),
        (
            "2.7.1",
            "2.9.1",
            ("torchao==0.12.0", "executorch==0.6.0", "torchdata==0.11.0"),
            {"torchao": "torchao==0.15.0", "executorch": "executorch==1.0.1"},
        ),
        ("2.7.1", "2.6.0", ("vllm[audio]==0.10.0",), {"vllm": "vllm[audio]==0.8.5.post1"}),
        ("2.12.0", "2.13.0", ("torchcodec==0.14.0", "torchmetrics==1.9.0"), {}),
    ],
)  # fmt: skip
def test_partners_in_layers_move_with_torch(
    torch: str, to: str, pins: tuple[str, ...], after: dict[str, str]
) -> None:
    assert moved(plan_bump(torch, to, *pins)) == after


@pytest.mark.parametrize(
    ("torch", "to", "companions", "after"),
    [
        ("2.7.1", "2.8.0", 'torchvision: "0.22.1"', {"torchvision": "0.23.0"}),
        (
            "2.9.1", "2.13.0", 'torchvision: "0.24.1", torchaudio: "2.9.1"',
            {"torchvision": "0.28.0", "torchaudio": "2.11.0"},
        ),
        ("2.12.0", "2.13.0", 'torchaudio: "2.11.0"', {}),
        ("2.14.0", "2.14.1", 'torchvision: "0.29.1"', {}),
    ],
)  # fmt: skip
def test_companions_move_with_torch(torch: str, to: str, companions: str, after: dict[str, str]) -> None:
    assert moved(plan_bump(torch, to, companions=companions)) == after


def test_a_partner_without_a_version_for_the_release_holds_back() -> None:
    planned = plan_bump("2.3.1", "2.7.1", "torchtext==0.18.0")
    assert planned.held_back == "no known version of torchtext goes with torch 2.7.1"
    assert planned.help == "remove torchtext from its layer"


def test_a_partner_that_the_facts_do_not_have_stays() -> None:
    assert moved(plan_bump("2.7.1", "2.8.0", "torchrec==1.2.0", "kornia==0.8.1")) == {}
