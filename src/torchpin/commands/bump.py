"""`bump`: an update carried through the five steps of the update policy, as a whole or not at all; finished later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.bump import model
from torchpin.bump.pins import is_known
from torchpin.checks.context import current_lock
from torchpin.commands.bump_records import migrate
from torchpin.commands.parallel import ignore
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError, TorchpinError
from torchpin.paths import BUMPS, DOCUMENTS, build_path, environment_paths, freeze_path
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.evidence import for_judge
from torchpin.workspace.writer import exclusive, exclusive_services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.bump.model import BumpContext, Plan
    from torchpin.bump.target import Target
    from torchpin.model import Outcome, StatusCallback
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpOptions:
    """`build`: steps 3 to 5 are tried now; `recorded`: channels are read from their index snapshots.

    `overwrite`: edits by hand of what is generated are written over.
    """

    build: bool = True
    recorded: bool = False
    overwrite: bool = False


def bump_context(
    repo: Repository,
    target: Target,
    *,
    services: Sequence[str] = (),
    channel: str = "",
    reason: str = "",
) -> BumpContext:
    """What a plan is made from. The origin of a source is read only for a tag whose commit facts do not have.

    Raises InputError for an unknown service or tag, ToolError where the origin cannot be read.
    """
    if other := facts.other_channel(channel):
        raise InputError(f"--channel: torchpin does not build from {channel}: it has {other.what}")
    environments = select_environments(repo.services)
    for name in services:
        select_environments(repo.services, service=name)  # raises InputError for an unknown name
    context = for_judge(repo, environments)
    current_locks = {env.name: current_lock(context, env) for env in environments}
    return model.BumpContext(
        texts={service.file: repo.text(service.file) or "" for service in repo.services},
        locks={name: lock for name, lock in current_locks.items() if lock},
        today=context.today,
        services=tuple(services),
        channel=channel,
        reason=" ".join(reason.split()),  # on one line, as service.yaml holds reasons
        commits=_source_commits(repo, target) if target.kind == "source" else {},
        published=repo.published,
    )


def _source_commits(repo: Repository, target: Target) -> dict[str, str]:
    """The commit of the target's tag, by source, read from the origin; empty where facts have it."""
    from torchpin.tools import git

    for source in (source for service in repo.services for source in service.sources):
        if source.name == target.name and not is_known(source, target.to):
            tags = git.remote_tags(source, repo.settings)
            if target.to not in tags:
                near = ", ".join(git.nearest_tags(target.to, tags)) or "none, it has no tags"
                raise InputError(
                    f"{source.name} has no tag {target.to}; nearest: {near}; nothing was changed"
                )
            return {source.name: tags[target.to]}
    return {}


def require_changes(plans: Sequence[Plan], target: Target) -> None:
    """Raises InputError where no service can be updated, with the reason why each one is held back, and its help."""
    if not any(bump_plan.moves for bump_plan in plans):
        text = "\n".join(
            f"    {bump_plan.service}: {bump_plan.held_back}{f' ({bump_plan.help})' if bump_plan.help else ''}"
            for bump_plan in plans
        )
        raise InputError(f"no service can be updated to {target}; nothing was changed:\n{text}")


def require_reason(plans: Sequence[Plan], reason: str) -> None:
    """Raises InputError where an update has new findings or deviations and no reason."""
    new = [f"    {bump_plan.service}: {message}" for bump_plan in plans for message in bump_plan.new]
    if new and not reason:
        text = "\n".join(new)
        raise InputError(
            f"the update requires a `--reason` for new findings and deviations; nothing was changed:\n{text}"
        )


def generated_paths(bump_plan: Plan) -> tuple[str, ...]:
    """The files generated from a service's description and locks, and its records; () where its pins stay."""
    if not bump_plan.moves:
        return ()
    environments = select_environments([bump_plan.service_after])
    return (
        *(path for env in environments for path in environment_paths(env.name)),
        *DOCUMENTS,
        f"{BUMPS}/",
        *(path for env in environments for path in (freeze_path(env.name), build_path(env.name))),
    )


def bump(
    repo: Repository,
    plans: Sequence[Plan],
    target: Target,
    context: BumpContext,
    options: BumpOptions,
    *,
    show_status: StatusCallback = ignore,
) -> tuple[Outcome, ...]:
    """Carries plans through the policy. On any failure every file is as it was before; without an engine, steps stay pending.

    Raises what stopped it: InputError for plans without changes or reasons, ToolError while another update runs.
    """
    from torchpin.commands import bump_steps

    require_changes(plans, target)
    require_reason(plans, context.reason)
    # no waiting for another update: this plan would be out of date when that one ends
    moving = [bump_plan.service for bump_plan in plans if bump_plan.moves]
    with exclusive(repo, "bumping", patience=0), exclusive_services(repo, moving):
        update = bump_steps.resolve_update(
            repo,
            plans,
            target,
            context,
            recorded=options.recorded,
            overwrite=options.overwrite,
            show_status=show_status,
        )
        require_reason(update.plans, context.reason)  # again: the new locks may have brought findings
        migrate(repo, overwrite=options.overwrite)
        entry = bump_steps.write_update(
            repo, update, skip_build=not options.build, overwrite=options.overwrite
        )
        show_status(f"{target}: wrote the descriptions, locks, rendered files, documents and the record")
        if not options.build:
            return (*update.outcomes, bump_steps.progress(entry))
        finished = _finish_or_roll_back(repo, entry, options, show_status)
        return (*update.outcomes, *finished)


def _finish_or_roll_back(
    repo: Repository,
    entry: BumpEntry,
    options: BumpOptions,
    show_status: StatusCallback,
) -> tuple[Outcome, ...]:
    """Steps 3 to 5 of a written update. Raises what stopped them, and says whether the update was rolled back."""
    from torchpin.commands import bump_steps

    try:
        return bump_steps.finish(
            repo,
            entry,
            show_status,
            verify_natively=not options.recorded,
            overwrite=options.overwrite,
        )
    except BaseException as error:  # an interrupt too
        message = f"{error}\n{_roll_back(repo, entry)}"
        if isinstance(error, TorchpinError):
            raise type(error)(message) from None
        show_status(message)
        raise


def _roll_back(repo: Repository, entry: BumpEntry) -> str:
    """Takes a failed update back, and returns what was done, or why it could not be: the failure itself is told first."""
    from torchpin.commands.undo import can_restore, restore

    try:
        restore(repo, entry=entry)
    except TorchpinError as error:
        help_text = (
            "remove what is in the way, then run `invoke bump --undo`"
            if can_restore(repo, entry)
            else "what undoes it is gone, so restore them with git"
        )
        return f"the update was not rolled back: {error}\nhelp: its files are as the update wrote them; {help_text}"
    return "the update was rolled back: every file that it wrote is as it was before"


def resume(
    repo: Repository, *, overwrite: bool = False, show_status: StatusCallback = ignore
) -> tuple[Outcome, ...]:
    """Finishes the pending steps of the last update; a step that fails stays pending.

    Raises InputError where none is pending, ToolError where this machine cannot build the images, and FindingsError where
    an edit by hand would be lost, without `overwrite`.
    """
    from torchpin.commands import bump_steps

    pending = [entry for entry in read_bumps(repo) if entry.pending]
    if not pending:
        raise InputError("no update is pending")
    obstacle = bump_steps.build_obstacle(bump_steps.environments_of(repo, pending[-1].services))
    if obstacle:
        raise ToolError(f"{pending[-1].bump} cannot be finished: {obstacle}; its steps stay pending")
    with exclusive(repo, "bumping", patience=0), exclusive_services(repo, pending[-1].services):
        migrate(repo, overwrite=overwrite)
        return bump_steps.finish(repo, pending[-1], show_status, overwrite=overwrite)
