"""The findings of dependency and source checks in the seeds, and none of them in the shipped services."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.checks import TODAY
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.workspace import workspace
from torchpin.workspace.evidence import for_judge

ROOT = Path(__file__).parents[2]
FAMILIES = (
    "ABI001",
    "DEP001",
    "DEP002",
    "DEP003",
    "DEP004",
    "DEV001",
    "SRC001",
    "SRC002",
    "SRC003",
    "TOR002",
)
SEEDS = {
    "lora-gpu": {
        ("DEP001", "bitsandbytes-blackwell", "warning"), ("DEP001", "transformers-accelerate", "warning"),
        ("DEP002", "tensorboard", "warning"), ("DEV001", "cuDNN", "warning"), ("SRC001", "sd-scripts", "error"),
        ("SRC002", "transformers", "warning"), ("SRC002", "diffusers", "warning"), ("SRC002", "schedulefree", "warning"),
        ("SRC002", "prodigyopt", "warning"), ("SRC002", "huggingface-hub", "warning"),
        ("SRC002", "sentencepiece", "warning"), ("SRC003", "torch", "warning"),
    },
    "seedvr-gpu": {("ABI001", "flash-attn", "warning"), ("TOR002", "xformers", "error")},
    "videogen-gpu": {
        ("DEP001", "opencv-headless-numpy2", "error"), ("DEP003", "opencv-python-headless", "error"),
        ("DEV001", "torch", "warning"), ("DEV001", "torchvision", "warning"), ("DEV001", "flash-attn", "warning"),
    },
    "zopilot-gpu": {("DEP001", "bitsandbytes-blackwell", "warning"), ("DEP004", "opencv", "warning")},
    "coaxial-gpu": {("DEP002", "lightning", "warning"), ("DEV001", "RTX 5060 Ti", "warning")},
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_has_these_findings_and_no_other(name: str) -> None:
    service = name.removesuffix("-gpu")
    text = (ROOT / f"tests/seeds/{service}.yaml").read_text(encoding="utf-8")
    (env, *_) = select_environments(read.read_services({f"services/{service}/service.yaml": text}))
    results = run.run(CheckContext(environments=(env,), today=TODAY, uv="0.13.9"), judge=True)
    rows = {(result.check, finding.about, finding.level) for result in results for finding in result.findings}
    assert {row for row in rows if row[0] in FAMILIES} == SEEDS[name]


def test_the_shipped_services_have_no_error_and_nothing_unknown() -> None:
    repo = workspace.open_repository(ROOT)
    context = for_judge(repo, select_environments(repo.services))
    for result in run.run(context, judge=True):
        if result.check in FAMILIES:
            assert result.unknown == (), result
            assert not [finding for finding in result.findings if finding.level == "error"], result
