"""The plan of an update: what changes in each service, or why it is held back; from descriptions, locks and facts alone."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts, paths
from torchpin.bump import predict
from torchpin.bump.accepted import (
    DEVIATION_CHECKS,
    Reasoning,
    ServiceSnapshot,
    compute_acceptance,
    new_findings,
)
from torchpin.bump.model import MAX_SUGGESTIONS, BumpContext, Edit, HeldError, Move, Plan, parse_service
from torchpin.bump.pins import edits_of_target, pin_path
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.checks.report import findings_text
from torchpin.compat.gpus import judge_gpu
from torchpin.compat.publication import channels_with_release
from torchpin.description.edit import apply_changes
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError
from torchpin.lock import compare
from torchpin.lock.layers import inputs_digest, layer_names, outdated_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.target import Target
    from torchpin.model import Finding, Lock, Service


_MAX_FIXES = 40  # more than any service has pins that could change with another: two fixes that undo each other must end


def plans(services: Sequence[Service], target: Target, context: BumpContext) -> tuple[Plan, ...]:
    """A plan for each service that has the target.

    Raises InputError where no service has it, or where it does not exist, with the names or versions near it.
    """
    _require_existing(target)
    if context.channel and target.kind != "torch":
        raise InputError(f"`--channel` applies to torch only, not to {target}")
    if context.channel and context.channel not in {row.name for row in facts.channels()}:
        names = ", ".join(channel.name for channel in facts.channels())
        raise InputError(f"channel {context.channel!r} does not exist; known channels: {names}")
    selected = [service for service in services if service.name in context.services or not context.services]
    affected = [service for service in selected if _has_target(service, target)]
    if not affected:
        raise InputError(f"{_not_pinned_message(selected, target)}; nothing was changed")
    return tuple(_plan_service(service, target, context) for service in affected)


def _require_existing(target: Target) -> None:
    if target.kind == "base" and (violation := facts.tag_violation(target.to)[0]):
        images = [base.image for base in facts.base_images() if base.listed and not base.withdrawn]
        near = get_close_matches(target.to, images, n=MAX_SUGGESTIONS)
        suggestion = f" (did you mean {', '.join(near)}?)" if near else ""
        raise InputError(f"{target.to} does not exist: {violation}{suggestion}; nothing was changed")
    if target.kind != "torch" or facts.release(target.to) or channels_with_release(target.to, "linux/amd64"):
        return
    raise InputError(f"{_unknown_torch_message(Version(target.to))}; nothing was changed")


def _unknown_torch_message(version: Version) -> str:
    """That a release of torch is not known, with its neighbours by version and the newest known one."""
    known = facts.release_versions()
    older = [str(release) for release in known if release < version][-1:]
    newer = [str(release) for release in known if release > version][:1]
    newest = f"the newest known release is {known[-1]}"
    if newer:
        near = f"its neighbour{'s are' if older else ' is'} {' and '.join(older + newer)}"
        return f"torch {version} does not exist: {near}, {newest}"
    nearest = [str(release) for release in known[-MAX_SUGGESTIONS:-1]]
    return f"torch {version} is not known: {newest}, before it {' and '.join(nearest)}"


def _has_target(service: Service, target: Target) -> bool:
    if target.kind == "source":
        return any(source.name == target.name for source in service.sources)
    return target.kind != "package" or pin_path(service, target.name) is not None


def _not_pinned_message(services: Sequence[Service], target: Target) -> str:
    """That no service pins the target, with the names near it."""
    if any(target.name in service.torch.companions for service in services):
        return f"{target.name} is updated together with torch; update torch instead"
    names = (
        {source.name for service in services for source in service.sources}
        if target.kind == "source"
        else {
            canonicalize_name(package.name)
            for service in services
            for layer in service.layers
            for package in layer.packages
        }
    )
    near = get_close_matches(target.name, sorted(names), n=MAX_SUGGESTIONS)
    hint = f"did you mean {', '.join(near)}?" if near else "add it to a description first"
    return f"no service pins {target.name} ({hint})"


def _plan_service(service: Service, target: Target, context: BumpContext) -> Plan:
    text = context.texts[service.file]
    unchanged = Plan(service=service.name, file=service.file, before=text, after=text)
    try:
        return _plan_moves(unchanged, service, target, context)
    except HeldError as error:
        return replace(unchanged, held_back=error.why, help=error.help)
    except InputError as error:
        message = "; ".join(map(str, error.problems)) or str(error)
        return replace(unchanged, held_back=message)


def _plan_moves(unchanged: Plan, service: Service, target: Target, context: BumpContext) -> Plan:
    """The plan of a service: the target's edits, then one fix at a time, each judged on the predicted lock.

    Raises HeldError for new errors that no fix ends.
    """
    first_edits = edits_of_target(service, target, context)
    before = _snapshot(service, context, present=True)
    text, moves = _apply_edits(unchanged.before, unchanged.file, first_edits)
    after = _snapshot(parse_service(text, unchanged.file), context)
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
        after = _snapshot(parse_service(text, unchanged.file), context)
    unresolved = _new_errors(before, after)
    if unresolved:
        # a dict, since several environments of a service may have the same finding
        messages = dict.fromkeys(finding.message for finding in unresolved)
        help_texts = dict.fromkeys(finding.help for finding in unresolved)
        raise HeldError("; ".join(messages), "; ".join(help_texts))
    moved_plan = replace(unchanged, moves=tuple(moves), moved_text=text, why=reasons)
    return _with_acceptance(moved_plan, before, after, target, context)


def finalize(bump_plan: Plan, target: Target, context: BumpContext, new_locks: Mapping[str, Lock]) -> Plan:
    """A plan with the effects that its new locks show, instead of the predicted ones.

    Raises FindingsError for new errors that the prediction could not show.
    """
    before = _snapshot(parse_service(bump_plan.before, bump_plan.file), context, present=True)
    after = _snapshot(
        parse_service(bump_plan.moved_text, bump_plan.file), replace(context, locks=new_locks), present=True
    )
    unresolved = _new_errors(before, after)
    if unresolved:
        raise FindingsError(f"incompatible pins; nothing was changed\n{findings_text(unresolved)}")
    return _with_acceptance(bump_plan, before, after, target, context)


def _with_acceptance(
    bump_plan: Plan, before: ServiceSnapshot, after: ServiceSnapshot, target: Target, context: BumpContext
) -> Plan:
    """A plan with its effects on waivers and reasons; new ones are written only where the context has a reason for them."""
    reasoning = _reasoning(after, target, context, bump_plan.why)
    accepted = compute_acceptance(before, after, reasoning, context.today)
    changes = (
        accepted.changes
        if context.reason
        else [change for change in accepted.changes if change.value is None]
    )
    gained, lost = _gpu_changes(before, after)
    outdated_layers, present_bytes = _outdated_layers(before, after)
    return replace(
        bump_plan,
        also_changes=_also_changes(before, after, {move.what for move in bump_plan.moves}),
        resolved=accepted.resolved,
        new=accepted.new,
        gained=gained,
        lost=lost,
        notes=accepted.notes,
        outdated_layers=outdated_layers,
        present_bytes=present_bytes,
        after=apply_changes(bump_plan.moved_text, changes, file=bump_plan.file)
        if changes
        else bump_plan.moved_text,
    )


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


def _snapshot(service: Service, context: BumpContext, *, present: bool = False) -> ServiceSnapshot:
    """A service with the judge's findings and notices, waived or not. `present`: with its current locks; else with predicted ones."""
    # without waivers, so that accepted findings are compared too
    envs = select_environments([replace(service, waivers=())])
    locks: dict[str, Lock] = {}
    for env in envs:
        current_lock = context.locks.get(env.name)
        lock = current_lock if present or current_lock is None else predict.predict_lock(env, current_lock)
        if lock and not outdated_files(env, lock):
            locks[env.name] = lock
    check_context = CheckContext(
        environments=envs, today=context.today, uv="", locks=locks, published=context.published
    )
    results = run.run(check_context, judge=True)
    findings = [
        (result.check, finding) for result in results for finding in (*result.findings, *result.notices)
    ]
    return ServiceSnapshot(
        service=service, locks={env.name: (env, locks.get(env.name)) for env in envs}, findings=findings
    )


def _new_errors(before: ServiceSnapshot, after: ServiceSnapshot) -> list[Finding]:
    """The errors that only the changed service has."""
    findings = new_findings(before.findings, after.findings)
    return [finding for _, finding in findings if finding.level == "error"]


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


def _reasoning(
    after: ServiceSnapshot, target: Target, context: BumpContext, why: Mapping[str, tuple[str, str]]
) -> Reasoning:
    """What is written below `reasons:`: for what changes with torch a text of its own with evidence, else the user's reason."""
    bump_evidence = f"invoke bump {target} ({context.today.isoformat()})"
    if target.kind != "torch":
        return Reasoning(reason=context.reason, evidence=bump_evidence, by_component=why)
    env, _ = next(iter(after.locks.values()))
    release, channel = facts.release(target.to), facts.channel(env.variant.channel)
    evidence = release.citation if release else bump_evidence
    channel_evidence = channel.citation if channel else bump_evidence
    base = facts.base_image(env.base.image)
    reasons_by_component = {
        **dict.fromkeys([*env.service.torch.companions, *facts.partners()], (f"The release that matches torch {target.to}.", evidence)),
        "cuda": (f"{env.variant.channel} is the channel of torch {target.to} with code for the described GPUs: {context.reason}", channel_evidence),
        "cudnn": (f"torch {target.to} brings its own cuDNN and never loads the base image's.", evidence),
        "base": (f"Has the CUDA of torch {target.to}+{env.variant.channel}.", base.citation if base else bump_evidence),
        **why,
    }  # fmt: skip
    return Reasoning(
        reason=context.reason,
        evidence=bump_evidence,
        by_component={
            canonicalize_name(component): reason for component, reason in reasons_by_component.items()
        },
    )


def _gpu_changes(before: ServiceSnapshot, after: ServiceSnapshot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The GPUs that are supported only after, and those only before, each with its environment."""

    def supported_gpus(snapshot: ServiceSnapshot) -> set[str]:
        return {
            f"{name} in {env.name}"
            for env, _ in snapshot.locks.values()
            for name in env.service.gpus
            if judge_gpu(env, facts.gpu(name)).status == "ok"
        }

    gpus_before, gpus_after = supported_gpus(before), supported_gpus(after)
    return tuple(sorted(gpus_after - gpus_before)), tuple(sorted(gpus_before - gpus_after))


def _also_changes(before: ServiceSnapshot, after: ServiceSnapshot, moved_names: set[str]) -> tuple[str, ...]:
    """The changed packages of the locks that no description names."""
    also_changed = []
    for env, lock in after.locks.values():
        old_lock = before.locks[env.name][1]
        if old_lock and lock:
            changes = compare.package_changes(old_lock.packages, lock.packages)
            also_changed += [
                f"{change} in {env.name}" for change in changes if change.partition(" ")[0] not in moved_names
            ]
    return tuple(also_changed)


def _outdated_layers(before: ServiceSnapshot, after: ServiceSnapshot) -> tuple[tuple[str, ...], int]:
    """The files of the lock layers that have to be resolved again, and the size of their packages in bytes."""
    outdated, size = [], 0
    for env, _ in after.locks.values():
        lock = before.locks[env.name][1]
        for layer in lock.layers if lock else ():
            if layer.name not in layer_names(env) or layer.inputs_digest != inputs_digest(env, layer.name):
                outdated.append(paths.lock_path(env.name, layer.file))
                size += sum(package.size or 0 for package in layer.packages)
    return tuple(outdated), size
