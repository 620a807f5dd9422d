"""The plan of a bump, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin.output.documents import print_document
from torchpin.output.terminal import print_line, print_raw
from torchpin.output.volume import is_verbose
from torchpin.quantities import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.model import Move, Opening, Plan
    from torchpin.commands.bump_plan import PlannedBump

_WITHOUT_REASON = "needs a reason"
_MOST_CHANGES = 10  # packages that move along which are listed; `-v` lists them all


def print_planned_bump(planned: PlannedBump, *, json: bool) -> None:
    print_plans(planned.plans, planned.title, planned.generated, json=json)


def print_plans(
    plans: Sequence[Plan], title: str, derived: Mapping[str, Sequence[str]], *, json: bool = False
) -> None:
    """The plan of each service: its changed values, their effects, the description's unified diff, and the files.

    `title`: the targets; `derived`: the files that are generated from a service's description and locks.
    """
    from torchpin.bump.model import service_label

    if json:
        services = [{**_plan_json(plan), "derived": derived[plan.service]} for plan in plans]
        print_document({"bump": title, "services": services})
        return
    if any(plan.held_back for plan in plans) and not any(plan.moves for plan in plans):
        return  # the error that follows says why nothing can be updated
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
    """What moves and what that means for GPUs and findings first, files last."""
    _print_columns([(f"{move.what}:", _versions(move), move.why) for move in plan.moves])
    effects = {
        "GPUs gained": plan.gained,
        "GPUs lost": plan.lost,
        "new finding": plan.new,
        "resolved finding": plan.resolved,
        "reason": [f"{row.key}: {row.reason}" for row in plan.openings if row.reason],
        _WITHOUT_REASON: [_wanted_reason(row) for row in plan.openings if not row.reason],
        "note": (*plan.present, *plan.notes),
    }
    if gpu_text := _gpu_text(plan):
        print_line(f"  {gpu_text}")
    for label, messages in effects.items():
        for message in messages:
            print_line(f"  {label}: {message}")
        if label == _WITHOUT_REASON and any(row.is_open for row in plan.openings if not row.reason):
            print_line("    without these the update is made, lists what has no reason, and exits with 1")
    _print_also_changes(plan)
    if plan.resolution:
        print_line(f"  resolution: {plan.resolution}")
    print_raw(plan.difference)
    _print_files(plan, generated)


def _gpu_text(plan: Plan) -> str:
    """That the listed GPUs stay, where they do, and what becomes of all others that facts know."""
    parts = [] if plan.gained or plan.lost else ["GPUs listed: unchanged"]
    parts += [f"newly possible: {', '.join(plan.possible)}"] if plan.possible else []
    parts += [f"no longer possible: {', '.join(plan.impossible)}"] if plan.impossible else []
    return "; ".join(parts)


def _versions(move: Move) -> str:
    """`2.7.1 -> 2.8.0`; a pin is named by its line already."""
    before, after = (value.removeprefix(f"{move.what}==") for value in (move.before, move.after))
    return f"{before or '(none)'} -> {after or '(none)'}"


def _print_also_changes(plan: Plan) -> None:
    """The packages that move along, an environment's together."""
    moved: dict[str, list[tuple[str, str]]] = {}
    for text in plan.also_changes:
        change, _, environment = text.rpartition(" in ")
        name, _, versions = change.partition(" ")
        moved.setdefault(environment, []).append((name, versions))
    for environment, changes in moved.items():
        shown = changes if is_verbose() else changes[:_MOST_CHANGES]
        print_line(f"  also changes in {environment}:")
        _print_columns(shown, indent=4)
        if len(shown) < len(changes):
            print_line(f"    and {len(changes) - len(shown)} more; `-v` lists them")


def _print_files(plan: Plan, generated: Sequence[str]) -> None:
    print_line(f"  files: {', '.join((plan.file, *plan.outdated_layers))}")
    if generated and is_verbose():
        print_line(f"  generated: {', '.join(generated)}")
    elif generated:
        print_line(f"  generated: {count(len(generated), 'file')}; `-v` lists them")
    if plan.outdated_layers:
        print_line(f"  the layers to lock again have {format_bytes(plan.present_bytes)} of packages now")


def _print_columns(rows: Sequence[tuple[str, ...]], indent: int = 2) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print_line(f"{' ' * indent}{cells.rstrip()}")


def _wanted_reason(opening: Opening) -> str:
    from torchpin.bump.reasons import reason_option

    option = f"`{reason_option(opening.key)}`"
    return f"{option} (without it, the present one stays)" if opening.is_review else option


def _plan_json(plan: Plan) -> dict[str, Any]:
    left_out = {"before", "after", "moved_text", "why"}
    return {k: v for k, v in asdict(plan).items() if k not in left_out} | {"diff": plan.difference}
