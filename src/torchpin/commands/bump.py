"""`bump`: an update carried through the five steps of the update policy, as a whole or not at all; finished later."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.bump import model
from torchpin.bump.model import service_label
from torchpin.bump.pins import is_commit, is_known_tag
from torchpin.bump.reasons import Reasons
from torchpin.bump.required_torch import is_known_target
from torchpin.bump.target import join_targets
from torchpin.checks.context import current_lock
from torchpin.commands.bump_records import migrate
from torchpin.commands.parallel import ignore
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError, ToolError, TorchpinError
from torchpin.model import Outcome
from torchpin.paths import BUMPS, DOCUMENTS, build_path, environment_paths, freeze_path, page_path
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.evidence import for_judge
from torchpin.workspace.writer import exclusive, exclusive_services

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from torchpin.bump.model import BumpContext, Opening, Plan
    from torchpin.bump.target import Target
    from torchpin.commands.bump_steps import ResolvedUpdate
    from torchpin.model import Source, StatusCallback
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
    targets: Sequence[Target],
    *,
    services: Sequence[str] = (),
    channel: str = "",
    reasons: Reasons | None = None,
    offline: bool = True,
) -> BumpContext:
    """What a plan is made from. The origin of a source is read only for a tag whose commit facts do not have.

    `offline` False: METADATA of packages are read that facts do not have. Raises InputError for an unknown service or tag,
    ToolError where the origin cannot be read.
    """
    if other := facts.other_channel(channel):
        raise InputError(
            f"--channel: torchpin does not build from {channel}: it has {other.what}; choose a CUDA or CPU channel"
        )
    environments = select_environments(repo.services)
    for name in services:
        select_environments(repo.services, service=name)  # raises InputError for an unknown name
    context = for_judge(repo, environments)
    current_locks = {env.name: current_lock(context, env) for env in environments}
    reasons = reasons or Reasons()
    return model.BumpContext(
        texts={service.file: repo.text(service.file) or "" for service in repo.services},
        locks={name: lock for name, lock in current_locks.items() if lock},
        today=context.today,
        services=tuple(services),
        channel=channel,
        reason=reasons.update,
        reasons=reasons.by_key,
        requirements={} if offline else _read_requirements(repo, targets, context.today),
        commits=_source_commits(repo, targets),
        published=repo.published,
    )


def _source_commits(repo: Repository, targets: Sequence[Target]) -> dict[str, str]:
    """The commits of the targets' tags, by source, read from the origins; without those that facts have."""
    versions = {target.name: target.to for target in targets if target.kind == "source"}
    sources = {
        source.name: source
        for service in repo.services
        for source in service.sources
        if source.name in versions
        and not is_commit(versions[source.name])
        and not is_known_tag(source, versions[source.name])
    }
    return {name: _remote_commit(repo, source, versions[name]) for name, source in sources.items()}


def _remote_commit(repo: Repository, source: Source, tag: str) -> str:
    """The commit of a tag at a source's origin. Raises InputError where it has no such tag, with those near it."""
    from torchpin.tools import git

    tags = git.remote_tags(source, repo.settings)
    if tag not in tags:
        near = ", ".join(git.nearest_tags(tag, tags)) or "none, it has no tags"
        raise InputError(f"{source.name} has no tag {tag}; nearest: {near}; nothing was changed")
    return tags[tag]


def _read_requirements(
    repo: Repository, targets: Sequence[Target], today: date
) -> dict[str, tuple[str, ...]]:
    """What the METADATA of requested packages require that facts do not have; without those that cannot be read."""
    packages = [target for target in targets if target.kind == "package" and not is_known_target(target)]
    if not packages:
        return {}
    from torchpin.tools import pypi, release_metadata

    requirements: dict[str, tuple[str, ...]] = {}
    with suppress(ToolError):  # the resolver says it then, if it matters
        index = pypi.index_address(repo.settings)
        for target in packages:
            requirements[str(target)] = release_metadata.read_requirements(
                index, target.name, Version(target.to), until=today
            )
    return requirements


def require_changes(plans: Sequence[Plan], targets: Sequence[Target]) -> None:
    """Raises, with the reason why each service is held back, where none can be updated and one has to be.

    FindingsError where pins contradict each other, else InputError. A service that has all targets already needs no update.
    """
    held_plans = [bump_plan for bump_plan in plans if bump_plan.held_back]
    if not held_plans or any(bump_plan.moves for bump_plan in plans):
        return
    lines = [
        f"    {service_label(bump_plan)}: {bump_plan.held_back}{f' ({bump_plan.help})' if bump_plan.help else ''}"
        for bump_plan in held_plans
    ]
    lines += [
        f"    {service_label(bump_plan)}: {'; '.join(bump_plan.present)}"
        for bump_plan in plans
        if bump_plan.present
    ]
    error_type = FindingsError if any(bump_plan.is_conflict for bump_plan in held_plans) else InputError
    text = "\n".join(lines)
    raise error_type(f"no service can be updated to {join_targets(targets)}; nothing was changed:\n{text}")


def unchanged(plans: Sequence[Plan]) -> tuple[Outcome, ...]:
    """That services have all targets already, as outcomes."""
    return tuple(
        Outcome(name=service_label(bump_plan), status="same", detail="; ".join(bump_plan.present))
        for bump_plan in plans
    )


def open_findings(plans: Sequence[Plan]) -> tuple[Outcome, ...]:
    """What an update introduced and nobody gave a reason for, an outcome a finding or deviation.

    What has a reason of before the update fails nothing, since the judge takes that one.
    """
    return tuple(
        Outcome(
            name=service_label(bump_plan),
            status="open",
            detail=f"{opening.message}; {_advice(opening, bump_plan.file)}",
            code=FindingsError.exit_code if opening.is_open else 0,
        )
        for bump_plan in plans
        for opening in bump_plan.openings
        if not opening.reason
    )


def _advice(opening: Opening, file: str) -> str:
    if opening.is_review:
        return f"update it in {file}"
    return f"accept it by `{'waivers' if ':' in opening.key else 'reasons'}:` in {file}, or fix it"


def generated_paths(bump_plan: Plan) -> tuple[str, ...]:
    """The files generated from a service's description and locks, and its records; () where its pins stay."""
    if not bump_plan.moves:
        return ()
    environments = select_environments([bump_plan.service_after])
    return (
        *(path for env in environments for path in environment_paths(env.name)),
        *DOCUMENTS,
        page_path(bump_plan.service),
        f"{BUMPS}/",
        *(path for env in environments for path in (freeze_path(env.name), build_path(env.name))),
    )


def bump(
    repo: Repository,
    plans: Sequence[Plan],
    targets: Sequence[Target],
    context: BumpContext,
    options: BumpOptions,
    *,
    update: ResolvedUpdate | None = None,
    show_status: StatusCallback = ignore,
) -> tuple[Outcome, ...]:
    """Carries plans through the policy. On any failure every file is as it was before; without an engine, steps stay pending.

    `update`: the plans with their locks, where they are resolved already. What has no reason stays open, and is among the
    outcomes. Raises what stopped it: InputError or FindingsError where no service can be updated, ToolError while another
    update runs.
    """
    from torchpin.commands import bump_steps

    require_changes(plans, targets)
    if not any(bump_plan.moves for bump_plan in plans):
        return unchanged(plans)
    # no waiting for another update: this plan would be out of date when that one ends
    moving = [bump_plan.service for bump_plan in plans if bump_plan.moves]
    with exclusive(repo, "bumping", patience=0), exclusive_services(repo, moving):
        update = update or bump_steps.resolve_update(
            repo,
            plans,
            targets,
            context,
            recorded=options.recorded,
            overwrite=options.overwrite,
            show_status=show_status,
        )
        still_open = open_findings(update.plans)
        migrate(repo, overwrite=options.overwrite)
        entry = bump_steps.write_update(
            repo, update, skip_build=not options.build, overwrite=options.overwrite
        )
        show_status(
            f"{join_targets(targets)}: wrote the descriptions, locks, rendered files, documents and the record"
        )
        if not options.build:
            return (*update.outcomes, bump_steps.progress(entry), *still_open)
        finished = _finish_or_roll_back(repo, entry, options, show_status)
        return (*update.outcomes, *finished, *still_open)


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
    """Takes a failed update back, and returns what was done, or why it could not be: the failure itself is reported first."""
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

    bumps = read_bumps(repo)
    pending = [entry for entry in bumps if entry.pending]
    if not pending:
        raise InputError("no update is pending: there is none to finish")
    obstacle = bump_steps.build_obstacle(bump_steps.environments_of(repo, pending[-1].services))
    if obstacle:
        raise ToolError(f"{pending[-1].bump} cannot be finished: {obstacle}; its steps stay pending")
    with exclusive(repo, "bumping", patience=0), exclusive_services(repo, pending[-1].services):
        migrate(repo, overwrite=overwrite)
        return bump_steps.finish(
            repo, pending[-1], show_status, overwrite=overwrite, later=_later_updates(bumps, pending[-1])
        )


def _later_updates(bumps: Sequence[BumpEntry], entry: BumpEntry) -> tuple[str, ...]:
    """The updates since an entry that changed one of its services."""
    number = next(index for index, other in enumerate(bumps) if other.file == entry.file)
    return tuple(other.bump for other in bumps[number + 1 :] if {*other.services} & {*entry.services})
