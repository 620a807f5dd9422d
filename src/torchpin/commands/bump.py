"""The bump: a plan carried through the update policy, step by step, all of it or nothing; finished later, or undone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.bump import model, plan
from torchpin.bump.pins import is_known
from torchpin.checks.context import current_lock
from torchpin.commands import build as commands_build
from torchpin.commands import install, judge
from torchpin.commands.lock import generated_texts, resolve_all
from torchpin.commands.parallel import ignore
from torchpin.commands.undo import read_undo_state, restore, write_with_undo
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError, ToolError, TorchpinError
from torchpin.lock import compare
from torchpin.model import Outcome
from torchpin.paths import (
    DOCUMENTS,
    build_path,
    freeze_path,
    lock_folder,
    rendered_paths,
)
from torchpin.records import bump_log
from torchpin.records.bump_log import BUILD, LOG_PATH, RECORD, VALIDATE, BumpEntry, PolicyStep, ServiceChange
from torchpin.records.freeze import freeze_changes
from torchpin.tools import uv_install
from torchpin.workspace import workspace
from torchpin.workspace.evidence import for_judge
from torchpin.workspace.generated import expected_documents
from torchpin.workspace.write import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.bump.model import BumpContext, Plan
    from torchpin.bump.target import Target
    from torchpin.commands.build import EventCallback
    from torchpin.commands.parallel import StatusCallback
    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class BumpOptions:
    """`build`: steps 3 to 5 are tried now; `recorded`: channels are read from the recorded facts."""

    build: bool = True
    recorded: bool = False


# --- the plan --------------------------------------------------------------------------------------------------------


def bump_context(
    repo: Repository,
    target: Target,
    *,
    services: Sequence[str] = (),
    channel: str = "",
    reason: str = "",
) -> BumpContext:
    """What a plan is made from. A tag whose commit no fact tells is asked of its origin; nothing else is."""
    environments = select_environments(repo.services)
    for name in services:
        select_environments(repo.services, service=name)  # raises for a name that nothing has
    evidence = for_judge(repo, environments)
    current_locks = {env.name: current_lock(evidence, env) for env in environments}
    return model.BumpContext(
        texts={service.file: repo.text(service.file) or "" for service in repo.services},
        locks={name: lock for name, lock in current_locks.items() if lock},
        today=evidence.today,
        services=tuple(services),
        channel=channel,
        reason=" ".join(reason.split()),  # a sentence on one line, as descriptions have it
        commits=_source_commits(repo, target) if target.kind == "source" else {},
        published=repo.published,
    )


def _source_commits(repo: Repository, target: Target) -> dict[str, str]:
    from torchpin.tools import git

    for source in (source for service in repo.services for source in service.sources):
        if source.name == target.name and not is_known(source, target.to):
            tags = git.remote_tags(source, repo.settings)
            if target.to not in tags:
                near = ", ".join(git.nearest_tags(target.to, tags)) or "none, it has no tags"
                raise InputError(
                    f"{source.name} has no tag {target.to}; the nearest are {near}. Nothing was changed."
                )
            return {source.name: tags[target.to]}
    return {}


def require_changes(plans: Sequence[Plan], target: Target) -> None:
    """Raises InputError where nothing moves, with what holds each service back and what would free it."""
    if not any(bump_plan.moves for bump_plan in plans):
        text = "\n".join(
            f"    {bump_plan.service}: {bump_plan.held_back}{f' ({bump_plan.help})' if bump_plan.help else ''}"
            for bump_plan in plans
        )
        raise InputError(f"{target} moves nothing; nothing was changed:\n{text}")


def require_reason(plans: Sequence[Plan], reason: str) -> None:
    """Raises InputError where a bump opens what nobody gives a reason for."""
    opened = [f"    {bump_plan.service}: {message}" for bump_plan in plans for message in bump_plan.new]
    if opened and not reason:
        text = "\n".join(opened)
        raise InputError(f"Say why with --reason, since this bump opens:\n{text}\nNothing was changed.")


def generated_paths(bump_plan: Plan) -> tuple[str, ...]:
    """The files that are made from a service's description and locks, where its pins move; steps 3 to 5 make records."""
    if not bump_plan.moves:
        return ()
    environments = select_environments([bump_plan.service_after])
    return (
        *(path for env in environments for path in rendered_paths(env)),
        *DOCUMENTS,
        LOG_PATH,
        *(path for env in environments for path in (freeze_path(env), build_path(env))),
    )


# --- steps 1 and 2: locally, then written ----------------------------------------------------------------------------


def bump(
    repo: Repository,
    plans: Sequence[Plan],
    target: Target,
    context: BumpContext,
    options: BumpOptions,
    *,
    say: StatusCallback = ignore,
    watch: EventCallback = ignore,
) -> tuple[Outcome, ...]:
    """Carries plans through the policy. Whatever fails, the files are as they were before, or as they are to be after.

    Raises what stopped it; ToolError where another bump runs. Steps that need an engine are pending without one.
    """
    require_changes(plans, target)
    require_reason(plans, context.reason)
    with exclusive(repo, "bumping", patience=0):
        outcomes, entry = _write_bump(repo, plans, target, context, options, say)
        if not options.build:
            return (*outcomes, _progress(entry))
        try:
            return (*outcomes, *_finish(repo, entry, say, watch, verify_natively=not options.recorded))
        except BaseException as error:
            restore(repo)
            message = f"{error}\nThe bump was taken back: every file is as it was before."
            if isinstance(error, TorchpinError):
                raise type(error)(message) from None
            raise


def _write_bump(
    repo: Repository,
    plans: Sequence[Plan],
    target: Target,
    context: BumpContext,
    options: BumpOptions,
    say: StatusCallback,
) -> tuple[tuple[Outcome, ...], BumpEntry]:
    log = bump_log.parse_log(repo.text(LOG_PATH))
    active_plans = [bump_plan for bump_plan in plans if bump_plan.moves]
    chosen = _environments_of(repo, {bump_plan.service for bump_plan in active_plans})
    before = _current_texts(repo, chosen, [bump_plan.file for bump_plan in active_plans])
    _require_committed(repo, log, before)
    started = _utc_now()
    outcomes, new_locks = _resolve_locks(repo, active_plans, options, say)
    for name, lock in new_locks.items():
        say(f"{name}: {_download_summary(context.locks.get(name), lock)}")
    active_plans = [plan.finalize(bump_plan, target, context, new_locks) for bump_plan in active_plans]
    require_reason(active_plans, context.reason)
    who = _author(repo)
    entry = BumpEntry(
        bump=str(target),
        why=context.reason or "asked for",
        services={
            bump_plan.service: _service_change(bump_plan, context.locks, new_locks)
            for bump_plan in active_plans
        },
        held={bump_plan.service: bump_plan.held_back for bump_plan in plans if bump_plan.held_back},
    )
    entry = bump_log.with_step(
        entry, 0, PolicyStep(state="done", when=started, who=who, told="locked and judged")
    )
    entry = bump_log.with_step(entry, 1, PolicyStep(state="done", when=_utc_now(), who=who))
    build_note = "asked to leave out (--no-build)" if not options.build else ""
    for number in (BUILD, VALIDATE, RECORD):
        entry = bump_log.with_step(entry, number, PolicyStep(told=build_note if number == BUILD else ""))
    after = _staged_repository(
        repo, {bump_plan.file: bump_plan.after for bump_plan in active_plans}, (*log, entry)
    )
    environments = _environments_of(after, {bump_plan.service for bump_plan in active_plans})
    files = {
        **after.staged,
        **generated_texts(after, environments, new_locks),
        **expected_documents(after, new_locks),
    }
    write_with_undo(
        repo,
        files,
        before,
        {**before, **{bump_plan.file: context.texts[bump_plan.file] for bump_plan in active_plans}},
    )
    say(f"{target}: description, locks, renderings, documents and log are written")
    return outcomes, entry


def _resolve_locks(
    repo: Repository, active_plans: Sequence[Plan], options: BumpOptions, say: StatusCallback
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    """Step 1: the locks of what the descriptions will say, resolved and judged, with nothing written."""
    after = _staged_repository(repo, {bump_plan.file: bump_plan.after for bump_plan in active_plans})
    environments = _environments_of(after, {bump_plan.service for bump_plan in active_plans})
    outcomes, new_locks = resolve_all(after, environments, recorded=options.recorded, say=say)
    failed = [outcome for outcome in outcomes if outcome.code]
    if failed:
        text = "\n".join(f"{outcome.name}: {outcome.detail}" for outcome in failed)
        error_type: type[TorchpinError] = (
            FindingsError if failed[0].code == FindingsError.exit_code else ToolError
        )
        raise error_type(f"{text}\nNothing was changed.")
    return outcomes, new_locks


def _download_summary(before: Lock | None, after: Lock) -> str:
    """What a build will fetch that it did not before."""
    present_hashes = {package.sha256 for package in before.packages.values()} if before else set()
    new_packages = [package for package in after.packages.values() if package.sha256 not in present_hashes]
    size, unsized = (
        sum(package.size or 0 for package in new_packages),
        sum(package.size is None for package in new_packages),
    )
    unsized_note = f" and {unsized} of unknown size" if unsized else ""
    return f"{len(new_packages)} new file{'' if len(new_packages) == 1 else 's'} to download, {size / 1e6:,.0f} MB{unsized_note}"


def _staged_repository(
    repo: Repository, texts: Mapping[str, str], log: Sequence[BumpEntry] = ()
) -> Repository:
    """The repository as if these descriptions and this log were written."""
    descriptions = {service.file: repo.text(service.file) or "" for service in repo.services} | dict(texts)
    staged = {**texts, **({LOG_PATH: bump_log.render_log(log)} if log else {})}
    return replace(repo, services=read.read_services(descriptions), staged=staged)


def _environments_of(repo: Repository, services: Iterable[str]) -> tuple[Environment, ...]:
    return tuple(env for env in select_environments(repo.services) if env.service.name in services)


def _service_change(bump_plan: Plan, before: Mapping[str, Lock], after: Mapping[str, Lock]) -> ServiceChange:
    """What the log tells of a service; of its packages, what the resolver moved, with who wants it."""
    packages = []
    for env in select_environments([bump_plan.service_after]):
        old_packages = before[env.name].packages if env.name in before else {}
        new_packages = after[env.name].packages
        for change in compare.package_changes(old_packages, new_packages):
            name = change.partition(" ")[0]
            requirers = (
                [requirer for requirer in new_packages[name].required_by if requirer != bump_plan.service]
                if name in new_packages
                else []
            )
            required_note = f" (wanted by {', '.join(requirers)})" if requirers else ""
            packages.append(f"{env.name}: {change}{required_note}")
    pins = tuple(
        f"{move.what} {_bare_version(move.before)} -> {_bare_version(move.after)}"
        for move in bump_plan.moves
        if not move.what.endswith("digest")
    )
    return ServiceChange(pins=pins, packages=tuple(packages), closed=bump_plan.resolved, opened=bump_plan.new)


def _bare_version(pin: str) -> str:
    """A package's pin without its name, which is said already."""
    return pin.rpartition("==")[2]


def _require_committed(repo: Repository, log: Sequence[BumpEntry], paths: Iterable[str]) -> None:
    """Edits that nobody committed would be mixed with the bump's, and lost with its undoing."""
    from torchpin.tools import git

    changed = git.uncommitted_paths(repo.root, sorted(paths))
    if changed:
        pending = LOG_PATH in changed and log and log[-1].pending
        hint = " A bump is pending: finish it with `invoke bump --resume`." if pending else ""
        raise InputError(
            f"Commit or take back these edits first, since the bump writes these files: {', '.join(changed)}.{hint} "
            "Nothing was changed."
        )


# --- steps 3 to 5 ----------------------------------------------------------------------------------------------------


def resume(
    repo: Repository, *, say: StatusCallback = ignore, watch: EventCallback = ignore
) -> tuple[Outcome, ...]:
    """Finishes the last pending bump's steps; what fails stays pending.

    Raises InputError where none is pending, ToolError where no image can be made.
    """
    pending = [entry for entry in bump_log.parse_log(repo.text(LOG_PATH)) if entry.pending]
    if not pending:
        raise InputError("No bump is pending.")
    reason = _build_obstacle(_environments_of(repo, pending[-1].services))
    if reason:
        raise ToolError(f"{pending[-1].bump} cannot be finished here: {reason}. Its steps stay pending.")
    with exclusive(repo, "bumping", patience=0):
        return _finish(repo, pending[-1], say, watch)


def _finish(
    repo: Repository,
    entry: BumpEntry,
    say: StatusCallback,
    watch: EventCallback,
    *,
    verify_natively: bool = False,
) -> tuple[Outcome, ...]:
    """Steps 3 to 5; where no image can be made, they stay pending. `verify_natively`: then the native one is made instead."""
    after = workspace.open_repository(repo.root, prefix=repo.prefix)
    after = replace(after, settings=repo.settings, published=repo.published)
    environments = _environments_of(after, entry.services)
    old_freezes = {env.name: after.text(freeze_path(env)) for env in environments}
    reason = _build_obstacle(environments)
    if reason:
        if verify_natively:
            entry = _verify_natively(after, entry, environments, say)
        entry = bump_log.with_step(entry, BUILD, PolicyStep(told=reason))
        _write_log(after, entry)
        return (_progress(entry),)
    built = commands_build.build(after, environments, commands_build.BuildOptions(), say=say, watch=watch)
    failed = [outcome for outcome in built if outcome.code]
    if failed:
        raise ToolError("\n".join(f"{outcome.name}: {outcome.detail}" for outcome in failed))
    who = _author(repo)
    entry = bump_log.with_step(
        entry, BUILD, _done_step(who, "; ".join(f"{outcome.name} {outcome.detail}" for outcome in built))
    )
    results = judge.verify(after, environments, require=("image",))
    if judge.exit_code(results, require=("image",)):
        messages = [
            f"{finding.location}: {finding.message}" for result in results for finding in result.findings
        ]
        skipped = [
            f"{result.check} {result.environment}: {result.note}"
            for result in results
            if result.status == "skipped" and result.image
        ]
        raise FindingsError("\n".join(["The validation suite found:", *messages, *skipped]))
    ok_count = sum(result.status == "ok" for result in results)
    entry = bump_log.with_step(
        entry, VALIDATE, _done_step(who, f"{ok_count} of {len(results)} results ok, none open")
    )
    entry = bump_log.with_step(entry, RECORD, _done_step(who, ", ".join(map(freeze_path, environments))))
    new_freezes = {env.name: after.text(freeze_path(env)) or "" for env in environments}
    freeze = {name: freeze_changes(old_freezes[name] or "", text) for name, text in new_freezes.items()}
    entry = replace(entry, freeze=freeze)
    _write_log(after, entry)
    return (*built, _progress(entry))


def _verify_natively(
    repo: Repository, entry: BumpEntry, environments: Sequence[Environment], say: StatusCallback
) -> BumpEntry:
    """Step 1 with the native proof, where this machine can make one. Raises ToolError where it fails."""
    installable = [
        env
        for env in environments
        if env.variant.platform == uv_install.local_platform() and env.service.torch.origin == "index"
    ]
    for env in installable:
        say(f"{env.name}: {install.install(repo, env, say=say).detail}")
    names = ", ".join(env.name for env in installable)
    message = f"locked, judged, and proven natively: {names}" if installable else "locked and judged"
    return bump_log.with_step(entry, 0, replace(entry.steps[0], told=message))


def _build_obstacle(environments: Sequence[Environment]) -> str:
    """Why the images cannot be made on this machine, "" where they can."""
    from torchpin.tools import buildx, docker

    try:
        with docker.engine():
            buildx.expect_buildx()
    except TorchpinError:
        return "no Docker engine with buildx answered"
    try:
        for env in environments:
            buildx.expect_platform(env.variant.platform)
    except TorchpinError:
        return f"the engine builds nothing for {env.variant.platform}"
    return ""


def _write_log(repo: Repository, entry: BumpEntry) -> None:
    """A bump's entry in the log, and the documents, written together with what undoing needs to know."""
    entry_key = (entry.bump, entry.steps[0].when)
    log = [
        entry if (logged.bump, logged.steps[0].when) == entry_key else logged
        for logged in bump_log.parse_log(repo.text(LOG_PATH))
    ]
    after = _staged_repository(repo, {}, log)
    files = {**after.staged, **expected_documents(after, {})}
    undo_state = read_undo_state(repo)
    before = undo_state["before"] if undo_state else {}
    write_with_undo(repo, files, before, {path: repo.text(path) for path in {*before, *files}})


def _done_step(who: str, note: str) -> PolicyStep:
    return PolicyStep(state="done", when=_utc_now(), who=who, told=note)


def _progress(entry: BumpEntry) -> Outcome:
    if not entry.pending:
        return Outcome(
            name=entry.bump, status="changed", detail="all five steps of the update policy are done"
        )
    steps = ", ".join(f"{number} ({bump_log.STEPS[number - 1]})" for number in entry.pending)
    reason = next((step.told for step in entry.steps if step.state == "pending" and step.told), "")
    detail = f"pending: steps {steps}{f', since {reason}' if reason else ''}. `invoke bump --resume` finishes them."
    return Outcome(name=entry.bump, status="changed", detail=detail)


# --- undo ------------------------------------------------------------------------------------------------------------


def _current_texts(
    repo: Repository, environments: Sequence[Environment], files: Sequence[str]
) -> dict[str, str | None]:
    """Everything that a bump may write, as it is."""
    paths = [*files, *DOCUMENTS, LOG_PATH]
    for env in environments:
        folder = lock_folder(env)
        paths += [f"{folder}/{name}" for name in workspace.read_lock_files(repo, env)]
        paths += rendered_paths(env)
        paths += [freeze_path(env), build_path(env)]
    return {path: repo.text(path) for path in paths}


def _utc_now() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _author(repo: Repository) -> str:
    from torchpin.tools import git

    return git.author(repo.root)
