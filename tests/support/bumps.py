"""Plans of bumps on the committed services, with lora as it was before its first bump, and the record of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from support.descriptions import LORA
from torchpin.bump import plan
from torchpin.bump.model import BumpContext, Plan
from torchpin.bump.target import parse_targets
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.lock import file_format
from torchpin.records import bump_log
from torchpin.workspace import evidence, workspace

ROOT = Path(__file__).parents[2]
BEFORE_FIRST_BUMP = ROOT / "tests" / "before"
TODAY = date(2026, 11, 24)


@cache
def bump_context() -> BumpContext:
    repo = workspace.open_repository(ROOT)
    texts = {**workspace.read_descriptions(ROOT), LORA: (BEFORE_FIRST_BUMP / "service.yaml").read_text()}
    files = {path.name: path.read_text() for path in (BEFORE_FIRST_BUMP / "lockfiles").iterdir()}
    locks = evidence.for_judge(repo, select_environments(repo.services)).locks
    locked = {**locks, "lora-gpu": file_format.parse_lock("lockfiles/lora-gpu", files)}
    return BumpContext(texts=texts, locks=locked, today=TODAY)


def plans(*texts: str, **changes: object) -> dict[str, Plan]:
    context = replace(bump_context(), **changes)  # type: ignore[arg-type]
    return {
        service_plan.service: service_plan
        for service_plan in plan.plans(read.read_services(context.texts), parse_targets(*texts), context)
    }


STEP = bump_log.PolicyStep(state="done", when="2026-11-24T12:00:00Z", who="somebody", note="locked")
_ENTRY = bump_log.BumpEntry(
    bump="torch==2.7.1",
    why="B200: it's wanted",
    services={
        "lora": bump_log.ServiceChange(pins=("torch 2.5.1 -> 2.7.1",), resolved=("GPU001 about B200",))
    },
    held_back={"seedvr": "has it already"},
    steps=(STEP, STEP, *(bump_log.PolicyStep(),) * 3),
    freeze={"lora-gpu": ("torch 2.5.1 -> 2.7.1",)},
)
ENTRY = bump_log.with_name(_ENTRY)


def other_entry(**changes: object) -> bump_log.BumpEntry:
    """Another update of the same second, which changes something else."""
    return bump_log.with_name(replace(ENTRY, **{"bump": "tqdm==4.67.1", **changes}))  # type: ignore[arg-type]
