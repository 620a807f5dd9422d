"""What a resolution says about a plan: how many packages it has, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.bump.model import service_label
from torchpin.bump.no_solution import explain_no_solution
from torchpin.description.environments import select_environments
from torchpin.errors import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.bump.model import Plan
    from torchpin.model import Lock, Outcome


def resolution_text(bump_plan: Plan, new_locks: Mapping[str, Lock]) -> str:
    """How many packages were resolved, by environment."""
    environments = select_environments([bump_plan.service_after])
    counts = (f"{len(new_locks[env.name].packages)} packages in {env.name}" for env in environments)
    return f"resolved by uv: {', '.join(counts)}"


def failure_text(bump_plan: Plan, outcome: Outcome) -> str:
    """What ended a resolution: for pins without a solution first which contradict each other, and below it what uv says."""
    text = f"{outcome.name}: {outcome.detail}"
    explanation = explain_no_solution(outcome.detail, bump_plan) if outcome.code == FINDINGS else ""
    return f"{service_label(bump_plan)}: {explanation}\n{text}" if explanation else text
