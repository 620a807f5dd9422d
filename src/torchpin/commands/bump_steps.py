"""The five steps of the update policy: resolve, write, build, validate, record; and the record of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.bump import plan
from torchpin.bump.resolution import failure_text, resolution_text
from torchpin.bump.target import join_targets
from torchpin.checks.run import registered_checks
from torchpin.commands import build, install, judge, lock
from torchpin.commands.bump_guard import require_committed
from torchpin.commands.bump_records import require_record_unedited
from torchpin.commands.undo import write_step_files, write_update_files
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, ToolError, TorchpinError
from torchpin.lock import compare
from torchpin.model import Outcome
from torchpin.paths import DOCUMENTS, build_path, environment_paths, freeze_path, lock_folder, page_path
from torchpin.quantities import count, format_megabytes
from torchpin.records import bump_log
from torchpin.records.bump_log import BUILD, RECORD, VALIDATE, BumpEntry, PolicyStep, ServiceChange
from torchpin.records.freeze import freeze_changes
from torchpin.tools import uv_install
from torchpin.workspace import workspace
from torchpin.workspace.generated import expected_documents
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.writer import require_same_services

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.bump.model import BumpContext, Plan
    from torchpin.bump.target import Target
    from torchpin.model import Environment, Lock, StatusCallback, Upstream
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedUpdate:
    """What step 1 gives. `plans`: of the services that change, with the effects that their new locks show.

    `held`: by service, why it is held back; `before`: what the files to be written held when the step started.
    """

    targets: tuple[Target, ...]
    context: BumpContext
    plans: tuple[Plan, ...]
    held: Mapping[str, str]
    locks: Mapping[str, Lock]
    outcomes: tuple[Outcome, ...]
    before: Mapping[str, str | None]
    started: str


def resolve_update(
    repo: Repository,
    plans: Sequence[Plan],
    targets: Sequence[Target],
    context: BumpContext,
    *,
    recorded: bool,
    overwrite: bool,
    known_upstreams: Sequence[Upstream] = (),
    show_status: StatusCallback,
) -> ResolvedUpdate:
    """Step 1: the locks of the planned descriptions, resolved and judged; nothing is written.

    Raises FindingsError for edits in files to be written, for pins that have no solution, and for pins that the new locks show
    to be incompatible, ToolError where a resolver fails. `known_upstreams`: requirements of sources that are not cloned then.
    """
    active_plans = [bump_plan for bump_plan in plans if bump_plan.moves]
    before = _current_texts(repo, active_plans)
    if not overwrite:
        require_committed(repo, before)
    started = _utc_now()
    outcomes, new_locks = _resolve_locks(
        repo, active_plans, show_status, recorded=recorded, known_upstreams=known_upstreams
    )
    for name, new_lock in new_locks.items():
        show_status(f"{name}: {_download_summary(context.locks.get(name), new_lock)}")
    return ResolvedUpdate(
        targets=tuple(targets),
        context=context,
        plans=tuple(
            replace(bump_plan, resolution=resolution_text(bump_plan, new_locks))
            for bump_plan in plan.finalize(active_plans, targets, context, new_locks)
        ),
        held={bump_plan.service: bump_plan.held_back for bump_plan in plans if bump_plan.held_back},
        locks=new_locks,
        outcomes=outcomes,
        before=before,
        started=started,
    )


def _current_texts(repo: Repository, active_plans: Sequence[Plan]) -> dict[str, str | None]:
    """Everything that an update of these services may write, as it is."""
    paths = [*(bump_plan.file for bump_plan in active_plans), *DOCUMENTS]
    paths += [page_path(bump_plan.service) for bump_plan in active_plans]
    for env in environments_of(repo, {bump_plan.service for bump_plan in active_plans}):
        folder = lock_folder(env.name)
        paths += [f"{folder}/{name}" for name in workspace.read_lock_files(repo, env)]
        paths += environment_paths(env.name)
        paths += [freeze_path(env.name), build_path(env.name)]
    return {path: repo.text(path) for path in paths}


def _resolve_locks(
    repo: Repository,
    active_plans: Sequence[Plan],
    show_status: StatusCallback,
    *,
    recorded: bool,
    known_upstreams: Sequence[Upstream],
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    after = _staged_repository(repo, {bump_plan.file: bump_plan.after for bump_plan in active_plans})
    environments = environments_of(after, {bump_plan.service for bump_plan in active_plans})
    outcomes, new_locks = lock.resolve_all(
        after, environments, recorded=recorded, known_upstreams=known_upstreams, show_status=show_status
    )
    failed = [outcome for outcome in outcomes if outcome.code]
    if failed:
        plan_of = {bump_plan.service: bump_plan for bump_plan in active_plans}
        service_of = {env.name: env.service.name for env in environments}
        text = "\n".join(failure_text(plan_of[service_of[row.name]], row) for row in failed)
        error_type: type[TorchpinError] = (
            FindingsError if failed[0].code == FindingsError.exit_code else ToolError
        )
        raise error_type(f"{text}\nnothing was changed")
    return outcomes, new_locks


def _download_summary(before: Lock | None, after: Lock) -> str:
    """The number and size of the files that a build has to download, which the old lock did not have."""
    present_hashes = {package.sha256 for package in before.packages.values()} if before else set()
    new_packages = [package for package in after.packages.values() if package.sha256 not in present_hashes]
    size = sum(package.size or 0 for package in new_packages)
    unsized = sum(package.size is None for package in new_packages)
    unsized_note = f" and {unsized} of unknown size" if unsized else ""
    return f"{count(len(new_packages), 'new file')} to download, {format_megabytes(size)}{unsized_note}"


def write_update(
    repo: Repository, update: ResolvedUpdate, *, skip_build: bool, overwrite: bool = False
) -> BumpEntry:
    """Step 2: descriptions, locks, rendered files, documents and record, in one transaction that can be undone.

    Raises FindingsError, without `overwrite`, where somebody has a file of his own under the name of a new one.
    """
    entry = _new_entry(repo, update, skip_build=skip_build)
    after = _staged_repository(repo, {bump_plan.file: bump_plan.after for bump_plan in update.plans}, entry)
    environments = environments_of(after, {bump_plan.service for bump_plan in update.plans})
    files = {**after.staged, **lock.expected_files(after, environments, update.locks)}
    # The plan was made from the context's texts: an edit since then must stop the writing, not get lost in it.
    planned_texts = {bump_plan.file: update.context.texts[bump_plan.file] for bump_plan in update.plans}
    new_texts = {path: repo.text(path) for path in files if path not in {*update.before, *after.staged}}
    if not overwrite:
        require_unedited(repo, {path: files[path] for path in new_texts})
    read_texts = new_texts | repo.inputs | after.inputs | {**repo.descriptions, **update.before}
    read_texts |= {**planned_texts, entry.file: None}
    require_same_services(repo)
    write_update_files(repo, files, update.before, read_texts, entry)
    return entry


def _new_entry(repo: Repository, update: ResolvedUpdate, *, skip_build: bool) -> BumpEntry:
    author, build_note = _author(repo), "skipped (--no-build)" if skip_build else ""
    entry = BumpEntry(
        bump=join_targets(update.targets),
        why=update.context.reason or "requested",
        services={
            bump_plan.service: _service_change(bump_plan, update.context.locks, update.locks)
            for bump_plan in update.plans
        },
        held_back=update.held,
        steps=(
            PolicyStep(state="done", when=update.started, who=author, note="locked and judged"),
            PolicyStep(state="done", when=_utc_now(), who=author),
            PolicyStep(note=build_note),
            PolicyStep(),
            PolicyStep(),
        ),
    )
    return bump_log.with_name(entry)


def _service_change(bump_plan: Plan, before: Mapping[str, Lock], after: Mapping[str, Lock]) -> ServiceChange:
    """A service's part of the record: the pins that were edited, and the packages that the resolver changed."""
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
            required_note = f" (required by {', '.join(requirers)})" if requirers else ""
            packages.append(f"{env.name}: {change}{required_note}")
    pins = tuple(
        f"{move.what} {_bare_version(move.before)} -> {_bare_version(move.after)}"
        for move in bump_plan.moves
        if not move.what.endswith("digest")
    )
    return ServiceChange(pins=pins, packages=tuple(packages), resolved=bump_plan.resolved, new=bump_plan.new)


def _bare_version(pin: str) -> str:
    """A pin without the package's name: `tqdm==4.67.1` is 4.67.1."""
    return pin.rpartition("==")[2]


def finish(
    repo: Repository,
    entry: BumpEntry,
    show_status: StatusCallback,
    *,
    verify_natively: bool = False,
    overwrite: bool = False,
    later: Sequence[str] = (),
) -> tuple[Outcome, ...]:
    """Steps 3 to 5, with their record; where no image can be built, they stay pending.

    `verify_natively`: the locks are then installed and verified without Docker. `later`: the updates of the same services
    since, which the images have too. Raises FindingsError for an image that does
    not pass the checks, and for edits by hand that would be lost, without `overwrite`; ToolError for a build that fails.
    """
    logged = entry
    # read again: the descriptions on disk are newer than those that `repo` was opened with
    after = workspace.reread(replace(repo, staged={}))
    environments = environments_of(after, entry.services)
    obstacle = build_obstacle(environments)
    if obstacle:
        if verify_natively:
            entry = _verify_natively(after, entry, environments, show_status)
        entry = bump_log.with_step(entry, BUILD, PolicyStep(note=obstacle))
        _write_log(after, entry, logged=logged, overwrite=overwrite)
        return (progress(entry),)
    # read before the build, which writes the new records
    old_freezes = {env.name: after.text(freeze_path(env.name)) or "" for env in environments}
    built, build_step = _build_images(after, environments, show_status, overwrite=overwrite)
    record_step = _done_step(after, ", ".join(freeze_path(env.name) for env in environments))
    for number, step in (
        (BUILD, build_step), (VALIDATE, _validate_images(after, environments)), (RECORD, record_step),
    ):  # fmt: skip
        note = f"together with the later {', '.join(later)}: {step.note}" if later else step.note
        entry = bump_log.with_step(entry, number, replace(step, note=note))
    changes = {
        env.name: freeze_changes(old_freezes[env.name], after.text(freeze_path(env.name)) or "")
        for env in environments
    }
    entry = replace(entry, freeze=changes)
    _write_log(after, entry, logged=logged, overwrite=overwrite)
    return (*built, progress(entry))


def build_obstacle(environments: Sequence[Environment]) -> str:
    """Why the images cannot be built on this machine, "" where they can."""
    from torchpin.tools import buildx, docker

    try:
        with docker.engine():
            buildx.expect_buildx()
    except TorchpinError:
        return "no Docker engine with buildx is running"
    try:
        for env in environments:
            buildx.expect_platform(env.variant.platform)
    except TorchpinError:
        return f"the engine cannot build for {env.variant.platform}"
    return ""


def _verify_natively(
    repo: Repository, entry: BumpEntry, environments: Sequence[Environment], show_status: StatusCallback
) -> BumpEntry:
    """Step 1 again, with what this machine can install without Docker. Raises ToolError where that fails."""
    installable = [
        env
        for env in environments
        if env.variant.platform == uv_install.local_platform() and env.service.torch.origin == "index"
    ]
    for env in installable:
        show_status(f"{env.name}: {install.install(repo, env, show_status=show_status).detail}")
    names = ", ".join(env.name for env in installable)
    message = f"locked, judged, and verified without Docker: {names}" if installable else "locked and judged"
    return bump_log.with_step(entry, 0, replace(entry.steps[0], note=message))


def _build_images(
    repo: Repository, environments: Sequence[Environment], show_status: StatusCallback, *, overwrite: bool
) -> tuple[tuple[Outcome, ...], PolicyStep]:
    options = build.BuildOptions(overwrite=overwrite)
    built = build.build(repo, environments, options, show_status=show_status)
    failed = [outcome for outcome in built if outcome.code]
    if failed:
        raise ToolError("\n".join(f"{outcome.name}: {outcome.detail}" for outcome in failed))
    note = "; ".join(f"{outcome.name} {outcome.detail}" for outcome in built)
    return built, _done_step(repo, note)


def _validate_images(repo: Repository, environments: Sequence[Environment]) -> PolicyStep:
    """The validation suite on the new images. A warning of the judge stops no build, and so none here: it stays open."""
    results = judge.verify(repo, environments, require=("image",))
    judge_ids = {check.id for check in registered_checks() if check.judge}
    warnings = [result for result in results if result.status == "warning" and result.check in judge_ids]
    if judge.exit_code([result for result in results if result not in warnings], require=("image",)):
        messages = [
            f"{finding.location}: {finding.message}" for result in results for finding in result.findings
        ]
        skipped = [
            f"{result.check} {result.environment}: {result.note}"
            for result in results
            if result.status == "skipped" and result.image
        ]
        raise FindingsError("\n".join(["the new images do not pass the checks:", *messages, *skipped]))
    ok_count = sum(result.status == "ok" for result in results)
    open_ids = ", ".join(sorted({result.check for result in warnings})) or "none"
    return _done_step(repo, f"{ok_count} of {len(results)} results ok, {open_ids} open")


def _done_step(repo: Repository, note: str) -> PolicyStep:
    return PolicyStep(state="done", when=_utc_now(), who=_author(repo), note=note)


def _write_log(repo: Repository, entry: BumpEntry, *, logged: BumpEntry, overwrite: bool = False) -> None:
    """Writes the record of an update, and the documents, in one transaction that `bump --undo` covers too.

    `logged`: the entry as it was last written or read. Raises ToolError where its file is gone, and FindingsError for
    edits by hand that would be lost, without `overwrite`.
    """
    text = repo.text(entry.file)
    if text is None:
        raise ToolError(f"{entry.file}, the record of {entry.bump}, is gone; nothing was written")
    after = _staged_repository(repo, {}, entry)
    files = {**after.staged, **expected_documents(after, {})}
    if not overwrite:
        require_record_unedited(text, logged)
        require_unedited(repo, files)
    write_step_files(repo, files, {**after.inputs, entry.file: text}, entry)


def progress(entry: BumpEntry) -> Outcome:
    """The steps of an update that are pending, and why, as an outcome."""
    if not entry.pending:
        return Outcome(
            name=entry.bump, status="changed", detail="all five steps of the update policy are done"
        )
    steps = ", ".join(f"{number} ({bump_log.STEPS[number - 1]})" for number in entry.pending)
    reason = next((step.note for step in entry.steps if step.state == "pending" and step.note), "")
    detail = (
        f"pending: steps {steps}{f': {reason}' if reason else ''}; finish them with `invoke bump --resume`"
    )
    return Outcome(name=entry.bump, status="changed", detail=detail)


def environments_of(repo: Repository, services: Iterable[str]) -> tuple[Environment, ...]:
    return tuple(env for env in select_environments(repo.services) if env.service.name in services)


def _staged_repository(
    repo: Repository, texts: Mapping[str, str], entry: BumpEntry | None = None
) -> Repository:
    """The repository as if these descriptions and this record were written."""
    descriptions = {service.file: repo.text(service.file) or "" for service in repo.services} | dict(texts)
    staged = {**texts, **({entry.file: bump_log.render_entry(entry)} if entry else {})}
    return replace(repo, services=read.read_services(descriptions), staged=staged)


def _utc_now() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _author(repo: Repository) -> str:
    from torchpin.tools import git_checkout

    return git_checkout.author(repo.root)
