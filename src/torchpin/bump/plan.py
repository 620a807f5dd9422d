"""The plan of an update: what changes in each service, or why it is held back; from descriptions, locks and facts alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.bump.abi import abi_edits
from torchpin.bump.accepted import (
    DEVIATION_CHECKS,
    Reasoning,
    ServiceSnapshot,
    changed_components,
    compute_acceptance,
    new_findings,
)
from torchpin.bump.comments import outdated_comments
from torchpin.bump.effects import take_snapshot, with_effects
from torchpin.bump.known_reasons import torch_reasons
from torchpin.bump.model import BumpContext, Edit, HeldError, Move, Plan, PresentError, parse_service
from torchpin.bump.pins import edits_of_target
from torchpin.bump.reasons import Reasons, assign_reasons
from torchpin.bump.requested import affected_services, has_target
from torchpin.bump.required_torch import required_torch
from torchpin.bump.target import join_targets
from torchpin.bump.torch import torch_edits
from torchpin.checks.report import findings_text
from torchpin.description.edit import apply_changes
from torchpin.errors import FindingsError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.target import Target
    from torchpin.model import Finding, Lock, Service


_MAX_FIXES = 40  # more than any service has pins that could change with another: two fixes that undo each other must end


@dataclass(frozen=True, kw_only=True, slots=True)
class _MovedService:
    """A plan with its moves, and its service before and after them."""

    plan: Plan
    before: ServiceSnapshot
    after: ServiceSnapshot


def plans(services: Sequence[Service], targets: Sequence[Target], context: BumpContext) -> tuple[Plan, ...]:
    """A plan for each service that has a target, of all targets as one update.

    Raises InputError where no service has one of them, or where it does not exist, with the names or versions near it.
    """
    prepared = [
        _plan_service(service, targets, context) for service in affected_services(services, targets, context)
    ]
    return _with_acceptance(prepared, targets, context, is_final=False)


def finalize(
    planned: Sequence[Plan],
    targets: Sequence[Target],
    context: BumpContext,
    new_locks: Mapping[str, Lock] | None = None,
) -> tuple[Plan, ...]:
    """Plans with the effects that their new locks show, instead of the predicted ones.

    Raises FindingsError for new errors that the prediction could not show, InputError for reasons that speak of nothing.
    """
    prepared = [_finalize_service(bump_plan, context, new_locks) for bump_plan in planned]
    return _with_acceptance(prepared, targets, context, is_final=True)


def _finalize_service(
    bump_plan: Plan, context: BumpContext, new_locks: Mapping[str, Lock] | None
) -> _MovedService | Plan:
    if not bump_plan.moves:
        return bump_plan
    before = take_snapshot(parse_service(bump_plan.before, bump_plan.file), context, present=True)
    moved = parse_service(bump_plan.moved_text, bump_plan.file)
    if new_locks is None:
        return _MovedService(plan=bump_plan, before=before, after=take_snapshot(moved, context))
    after = take_snapshot(moved, replace(context, locks=new_locks), present=True)
    unresolved = _new_errors(before, after)
    if unresolved:
        raise FindingsError(f"incompatible pins; nothing was changed\n{findings_text(unresolved)}")
    return _MovedService(plan=bump_plan, before=before, after=after)


def _plan_service(service: Service, targets: Sequence[Target], context: BumpContext) -> _MovedService | Plan:
    text = context.texts[service.file]
    unchanged = Plan(service=service.name, file=service.file, before=text, after=text)
    try:
        return _plan_moves(unchanged, service, targets, context)
    except HeldError as error:
        return replace(unchanged, held_back=error.why, help=error.help, is_conflict=error.is_conflict)
    except InputError as error:
        message = "; ".join(map(str, error.problems)) or str(error)
        return replace(unchanged, held_back=message)


def _plan_moves(
    unchanged: Plan, service: Service, targets: Sequence[Target], context: BumpContext
) -> _MovedService | Plan:
    """The plan of a service: the targets' edits, then one fix at a time, each judged on the predicted lock.

    Raises HeldError for new errors that no fix ends.
    """
    text, moves, present = _requested_moves(unchanged, service, targets, context)
    if not moves:
        return replace(unchanged, present=present)
    before = take_snapshot(service, context, present=True)
    after = take_snapshot(parse_service(text, unchanged.file), context)
    reasons: dict[str, tuple[str, str]] = {}
    requested, tried = {move.path for move in moves}, {(move.path, move.after) for move in moves}
    for _ in range(_MAX_FIXES):  # one fix at a time: each changes what the next check sees
        finding = _next_fixable(before, after, requested, tried)
        if finding is None:
            break
        text, new_moves = _apply_edits(
            text, unchanged.file, [(change, finding.message) for change in finding.fix]
        )
        tried |= {(move.path, move.after) for move in new_moves}
        moves = _join_moves(moves, new_moves)
        reasons |= {_component(move): (finding.message, finding.evidence) for move in new_moves}
        after = take_snapshot(parse_service(text, unchanged.file), context)
    unresolved = _new_errors(before, after)
    if unresolved:
        # a dict, since several environments of a service may have the same finding
        messages = dict.fromkeys(f"{finding.message} ({check_id})" for check_id, finding in unresolved)
        help_texts = dict.fromkeys(finding.help for _, finding in unresolved)
        raise HeldError("; ".join(messages), "; ".join(help_texts), is_conflict=True)
    moved_plan = replace(unchanged, moves=tuple(moves), moved_text=text, why=reasons, present=present)
    return _MovedService(plan=moved_plan, before=before, after=after)


def _requested_moves(
    unchanged: Plan, service: Service, targets: Sequence[Target], context: BumpContext
) -> tuple[str, list[Move], tuple[str, ...]]:
    """A description at its targets, the moves, and what it has already: torch last, which follows Python and the base image."""
    text, file, present, moves = unchanged.before, unchanged.file, list[str](), list[Move]()
    torch = required_torch(service, targets, context)
    edits: list[Edit] = []
    for target in targets:
        if target.kind == "torch":
            continue
        if not has_target(service, target):
            present.append(f"{target.name} is not pinned here")
            continue
        try:
            edits += edits_of_target(service, target, context)
        except PresentError as error:
            present.append(str(error))
    text, moves = _apply_edits(text, file, edits)
    if torch is None:
        if context.channel:
            raise HeldError("`--channel` applies to torch, which stays", "name torch, too")
        return text, moves, tuple(present)
    fixed_paths = {move.path for move in moves}
    try:
        torch_moves = torch_edits(parse_service(text, file), torch, context)
        following = [edit for edit in torch_moves if edit[0].path not in fixed_paths]
        text, new_moves = _apply_edits(text, file, following)
        moves = [*new_moves, *moves]
        following = abi_edits(service, parse_service(text, file), torch.fixed)
        text, new_moves = _apply_edits(text, file, following)
        moves += new_moves
    except PresentError as error:
        present.append(str(error))
    return text, moves, tuple(present)


def _with_acceptance(
    prepared: Sequence[_MovedService | Plan],
    targets: Sequence[Target],
    context: BumpContext,
    *,
    is_final: bool,
) -> tuple[Plan, ...]:
    """Plans with all their effects; waivers and reasons are written only where somebody gave one for them."""
    evidence = f"invoke bump {join_targets(targets)} ({context.today.isoformat()})"
    moved = [item for item in prepared if isinstance(item, _MovedService)]
    reasonings = [Reasoning(evidence=evidence, from_facts=_known_reasons(item, evidence)) for item in moved]
    openings = [
        opening
        for item, reasoning in zip(moved, reasonings, strict=True)
        for opening in compute_acceptance(item.before, item.after, reasoning, context.today).openings
    ]
    reasons = Reasons(update=context.reason, by_key=context.reasons)
    assigned = assign_reasons(openings, reasons, is_final=is_final)
    accepted = {
        item.plan.service: _accept(item, replace(reasoning, by_key=assigned), context)
        for item, reasoning in zip(moved, reasonings, strict=True)
    }
    return tuple(
        accepted[item.plan.service] if isinstance(item, _MovedService) else item for item in prepared
    )


def _accept(item: _MovedService, reasoning: Reasoning, context: BumpContext) -> Plan:
    accepted = compute_acceptance(item.before, item.after, reasoning, context.today)
    text, file = item.plan.moved_text, item.plan.file
    _, old_values = changed_components(item.before, item.after)
    written = apply_changes(text, accepted.changes, file=file) if accepted.changes else text
    return replace(
        with_effects(item.plan, item.before, item.after),
        resolved=accepted.resolved,
        new=accepted.new,
        openings=accepted.openings,
        notes=(*accepted.notes, *outdated_comments(written, file, old_values)),
        after=written,
    )


def _known_reasons(item: _MovedService, evidence: str) -> dict[str, tuple[str, str]]:
    """Reasons that follow from facts: of what moves with torch, and of what a finding moved."""
    fixes: dict[str, tuple[str, str]] = {
        canonicalize_name(component): reason for component, reason in item.plan.why.items()
    }
    if item.before.service.torch.version == item.after.service.torch.version:
        return fixes
    env, _ = next(iter(item.after.locks.values()))
    return torch_reasons(env, evidence) | fixes


def _apply_edits(text: str, file: str, requested_edits: Sequence[Edit]) -> tuple[str, list[Move]]:
    """A description with edits made, and the edits as moves."""
    positions = parse_service(text, file).positions

    def value(path: str) -> str:
        position = positions.get(path)
        return text[position.start : position.end].strip().strip("\"'") if position else ""

    moves = []
    for change, why in requested_edits:
        before, after = value(change.path), str(change.value or "")
        what = _display_name(change.path, before or after)
        moves.append(Move(path=change.path, what=what, before=before, after=after, why=why))
    return apply_changes(text, [change for change, _ in requested_edits], file=file), moves


def _join_moves(moves: Sequence[Move], new_moves: Sequence[Move]) -> list[Move]:
    """Moves with later ones; a value that moves again goes from its first text to its last, for both reasons."""
    joined = {move.path: move for move in moves}
    for move in new_moves:
        first = joined.get(move.path)
        joined[move.path] = (
            replace(move, before=first.before, why=f"{first.why}; {move.why}") if first else move
        )
    return list(joined.values())


def _display_name(path: str, pin: str) -> str:
    """The name of a changed value: a package's name, else the key path."""
    if ".packages[" in path:
        return canonicalize_name(re.split(r"[=\[<>~! ]", pin)[0])
    return path.removesuffix(".version").removeprefix("torch.companions.")


def _component(move: Move) -> str:
    """The component that recommendations name for a changed value."""
    return {"base.image": "base"}.get(move.what, move.what)


def _new_errors(before: ServiceSnapshot, after: ServiceSnapshot) -> list[tuple[str, Finding]]:
    """The errors that only the changed service has, each with the id of its check."""
    findings = new_findings(before.findings, after.findings)
    return [(check_id, finding) for check_id, finding in findings if finding.level == "error"]


def _next_fixable(
    before: ServiceSnapshot, after: ServiceSnapshot, requested: set[str], tried: set[tuple[str, str]]
) -> Finding | None:
    """The next new finding with a fix that touches no requested value, and gives none a text that it had already."""
    for check_id, finding in new_findings(before.findings, after.findings):
        edits = {(change.path, str(change.value or "")) for change in finding.fix}
        is_independent = not ({path for path, _ in edits} & requested or edits & tried)
        if (
            check_id not in DEVIATION_CHECKS
            and finding.fix
            and is_independent
            and (finding.level == "error" or finding.fix_is_safe)
        ):
            return finding
    return None
