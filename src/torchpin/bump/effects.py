"""What an update does to a service: its findings before and after, GPUs, packages that follow, layers to be locked again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import facts, paths
from torchpin.bump import predict
from torchpin.bump.accepted import ServiceSnapshot
from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.compat.gpus import gpus_with_code, judge_gpu
from torchpin.description.environments import select_environments
from torchpin.lock import compare
from torchpin.lock.layers import inputs_digest, layer_names, outdated_files

if TYPE_CHECKING:
    from torchpin.bump.model import BumpContext, Plan
    from torchpin.model import Lock, Service


def with_effects(bump_plan: Plan, before: ServiceSnapshot, after: ServiceSnapshot) -> Plan:
    """A plan with what follows from its moves, apart from what people accept."""
    gained, lost = _gpu_changes(before, after)
    possible, impossible = _possible_gpus(before, after)
    outdated_layers, present_bytes = _outdated_layers(before, after)
    return replace(
        bump_plan,
        also_changes=_also_changes(before, after, {move.what for move in bump_plan.moves}),
        gained=gained,
        lost=lost,
        possible=possible,
        impossible=impossible,
        outdated_layers=outdated_layers,
        present_bytes=present_bytes,
    )


def take_snapshot(service: Service, context: BumpContext, *, present: bool = False) -> ServiceSnapshot:
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


def _gpu_changes(before: ServiceSnapshot, after: ServiceSnapshot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The GPUs that are supported only after, and those only before, each with its environment."""

    def supported_gpus(snapshot: ServiceSnapshot) -> set[str]:
        return {
            f"{name} in {env.name}"
            for env, _ in snapshot.locks.values()
            for name in facts.own_gpu_names(env.service.gpus)
            if judge_gpu(env, facts.gpu(name)).status == "ok"
        }

    gpus_before, gpus_after = supported_gpus(before), supported_gpus(after)
    return tuple(sorted(gpus_after - gpus_before)), tuple(sorted(gpus_before - gpus_after))


def _possible_gpus(
    before: ServiceSnapshot, after: ServiceSnapshot
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The GPUs that no description lists, and that an environment can run on only after, and only before; in the facts' order."""
    listed = {gpu.name for name in after.service.gpus if (gpu := facts.gpu(name))}
    possible, impossible = set[str](), set[str]()
    for env, _ in after.locks.values():
        old_env = before.locks[env.name][0]
        old, new = gpus_with_code(old_env), gpus_with_code(env)
        possible |= new - old
        impossible |= old - new
    names = [gpu.name for gpu in facts.gpus() if gpu.name not in listed]
    return tuple(name for name in names if name in possible), tuple(
        name for name in names if name in impossible
    )


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
