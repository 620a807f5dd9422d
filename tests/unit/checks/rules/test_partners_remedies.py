"""What TOR002 and TOR005 tell people to write is accepted by the reader and ends the finding; and right services have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import TODAY, UV
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.description import read
from torchpin.description.edit import apply_changes
from torchpin.description.environments import select_environments

if TYPE_CHECKING:
    from torchpin.model import Finding

FILE = "services/clips/service.yaml"
HEAD = """\
name: clips
summary: Video clips decoded on the GPU
python: "3.11.13"
base:
  image: nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04
  digest: sha256:17e2934e1fa96152b14f78078bfbafd0f00f391df995dc6c641a720fce1202bb
  rationale: Runtime libraries only; nothing is compiled here.
"""


def describe(torch: str, *pins: str, companions: str = "", channel: str = "cu128") -> str:
    packages = "".join(f"      - {pin}\n" for pin in pins)
    return (
        f'{HEAD}torch:\n  version: "{torch}"\n  companions: {{{companions}}}\n'
        f"variants:\n  gpu: {{channel: {channel}, platform: linux/amd64}}\n"
        f"layers:\n  - name: model\n    packages:\n{packages}imports: [torch]\n"
    )


def judge(text: str) -> list[tuple[str, Finding]]:
    environments = select_environments(read.read_services({FILE: text}))
    results = run.run(CheckContext(environments=environments, today=TODAY, uv=UV), judge=True)
    return [
        (result.check, finding)
        for result in results
        if result.check in {"TOR002", "TOR005", "DEP001"}
        for finding in (*result.findings, *result.notices)
    ]


@pytest.mark.parametrize(
    ("torch", "pins", "companions", "check"),
    [
        ("2.8.0", ("torchcodec==0.9.1",), 'torchvision: "0.23.0"', "TOR002"),
        ("2.10.0", ("executorch==0.7.0", "monai==1.5.1"), "", "TOR002"),
        ("2.7.1", ("xformers==0.0.32.post2",), "", "TOR002"),
        ("2.9.1", ("vllm[audio]==0.10.0",), "", "TOR002"),
        ("2.8.0", ("torchao==0.14.1",), "", "TOR002"),
        ("2.8.0", ("torchao==0.14.0",), "", "TOR002"),
        ("2.8.0", ("tqdm==4.66.5",), 'torchvision: "0.22.1", torchaudio: "2.8.0"', "TOR002"),
        ("2.9.1", ("nvidia-cudnn-cu12==9.15.1.9", "monai==1.5.1"), "", "TOR005"),
        ("2.8.0", ("triton==3.3.1",), "", "TOR005"),
        ("2.8.0", ("tqdm==4.66.5", "nvidia-nccl-cu12==2.26.2"), "", "TOR005"),
    ],
)
def test_the_remedy_ends_the_finding(torch: str, pins: tuple[str, ...], companions: str, check: str) -> None:
    text = describe(torch, *pins, companions=companions)
    ((found, finding),) = judge(text)
    assert found == check
    assert finding.fix
    assert judge(apply_changes(text, finding.fix, file=FILE)) == []


@pytest.mark.parametrize(
    ("torch", "pins", "companions", "channel"),
    [
        ("2.8.0", ("torchcodec==0.7.0",), 'torchvision: "0.23.0"', "cu128"),
        ("2.8.0", ("torchcodec==0.6.0", "torchmetrics==1.8.2", "torchdata==0.11.0"), "", "cu126"),
        ("2.9.1", ("monai==1.5.1",), "", "cu128"),
        ("2.9.1", ("nvidia-cudnn-cu12==9.10.2.21", "triton==3.5.1"), "", "cu128"),
        ("2.12.1", ("torchcodec==0.16.0",), 'torchaudio: "2.11.0", torchvision: "0.27.1"', "cu130"),
        ("2.14.1", ("torchao==0.18.0",), 'torchvision: "0.29.2", torchaudio: "2.11.0"', "cu130"),
    ],
)
def test_a_right_service_has_no_finding(
    torch: str, pins: tuple[str, ...], companions: str, channel: str
) -> None:
    assert judge(describe(torch, *pins, companions=companions, channel=channel)) == []


def test_a_minimum_that_later_versions_bound_is_no_remedy_for_later_releases() -> None:
    """vllm 0.2.5 requires torch>=2.1.1 and is compiled against 2.1; its later versions name one torch each."""
    ((_, finding),) = judge(describe("2.7.1", "vllm==0.9.1"))
    assert "0.10.1.1" in finding.help
    assert "0.2.5" not in finding.help
    ((_, finding),) = judge(describe("2.12.1", "vllm==0.9.1", channel="cu130"))  # no vllm names this torch
    assert finding.help.startswith("no known vllm goes with torch 2.12.1")
    assert not finding.fix


def test_a_minimum_counts_for_its_own_minor_and_where_no_later_version_bounds_it() -> None:
    ((_, finding),) = judge(describe("2.1.1", "vllm==0.9.1", channel="cu121"))
    assert "`- vllm==0.2.5`" in finding.help
    ((_, finding),) = judge(
        describe("2.15.0", "tqdm==4.66.5", companions='torchvision: "0.28.0"', channel="cu130")
    )
    assert '`torchvision: "0.29.2"`' in finding.help
