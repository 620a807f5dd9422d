"""The plan of a bump, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin.output.documents import print_document
from torchpin.output.terminal import print_line, print_raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.model import Opening, Plan
    from torchpin.commands.bump_plan import PlannedBump


def print_planned_bump(planned: PlannedBump, *, json: bool) -> None:
    print_plans(planned.plans, planned.title, planned.generated, json=json)


def print_plans(
    plans: Sequence[Plan], title: str, derived: Mapping[str, Sequence[str]], *, json: bool = False
) -> None:
    """The plan of each service: its changed values, their effects, the files, and the description's unified diff.

    `title`: the targets; `derived`: the files that are generated from a service's description and locks.
    """
    from torchpin.bump.model import service_label

    if json:
        services = [{**_plan_json(plan), "derived": derived[plan.service]} for plan in plans]
        print_document({"bump": title, "services": services})
        return
    for plan in plans:
        label = service_label(plan)
        if plan.held_back:
            print_line(f"{label}: held back: {plan.held_back}{f' ({plan.help})' if plan.help else ''}")
        elif plan.moves:
            print_line(f"{label}: planned changes")
            _print_plan(plan, derived[plan.service])
        else:
            print_line(f"{label}: nothing to change: {'; '.join(plan.present)}")


def _print_plan(plan: Plan, generated: Sequence[str]) -> None:
    for move in plan.moves:
        print_line(f"  {move.what}: {move.before or '(none)'} -> {move.after or '(none)'}")
        print_line(f"    why: {move.why}")
    effects = {
        "also changes": plan.also_changes,
        "GPUs gained": plan.gained,
        "GPUs lost": plan.lost,
        "resolved": plan.resolved,
        "new": plan.new,
        "reason": [f"{row.key}: {row.reason}" for row in plan.openings if row.reason],
        "wants a reason": [_wanted_reason(row) for row in plan.openings if not row.reason],
        "note": (*plan.present, *plan.notes),
        "resolution": [plan.resolution] if plan.resolution else (),
    }
    for label, messages in effects.items():
        for message in messages:
            print_line(f"  {label}: {message}")
    for label, paths in (("files", (plan.file, *plan.outdated_layers)), ("generated", generated)):
        if paths:
            print_line(f"  {label}: {', '.join(paths)}")
    if plan.outdated_layers:
        print_line(f"  layers to re-lock: {plan.present_bytes / 1e6:,.0f} MB of packages at present")
    print_raw(plan.difference)


def _wanted_reason(opening: Opening) -> str:
    from torchpin.bump.reasons import reason_option

    otherwise = "the present one stays" if opening.is_review else "it stays open"
    return f"{opening.key}, by `{reason_option(opening.key)}`; without, {otherwise}"


def _plan_json(plan: Plan) -> dict[str, Any]:
    left_out = {"before", "after", "moved_text", "why"}
    return {k: v for k, v in asdict(plan).items() if k not in left_out} | {"diff": plan.difference}
