"""An edit of a service's pins: locked, judged and written with all that follows from it, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.commands import lock
from torchpin.description import edit, read
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, ToolError
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.writer import exclusive, exclusive_services, require_same_services, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.commands.report import Watcher
    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Change, Environment, Lock, Outcome, Service
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class EditOptions:
    """`recorded`: channels are read from index snapshots. `dry_run`: nothing is written. `overwrite`: edits by hand are lost.

    `cutoff`: what was published from then on is not locked; that of the policy where it is None.
    """

    recorded: bool = False
    dry_run: bool = False
    overwrite: bool = False
    cutoff: CutOff | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PinEdit:
    """An edit of a service's pins: the pins, what is to be said of it, the description's diff, and the new locks.

    `outcomes` are those of the locks; `files` are the changed files, none in a dry run.
    """

    service: str
    pins: tuple[str, ...]
    diff: str
    outcomes: tuple[Outcome, ...]
    locks: Mapping[str, Lock]
    files: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    dry_run: bool = False


def open_service(repo: Repository, name: str) -> tuple[Repository, Service, dict[str, Lock | None]]:
    """A service with its present locks by environment, and the repository that notes what is read, for the writer."""
    # a copy that has read nothing yet: what it reads must not change until the edit is written
    repo = replace(repo)
    environments = select_environments(repo.services, service=name)
    service = environments[0].service
    with exclusive_services(repo, {name}):
        lock.read_inputs(repo, environments)
        locks = {env.name: lock.present_lock(repo, env) for env in environments}
    return repo, service, locks


def edit_pins(
    repo: Repository,
    service: Service,
    changes: Sequence[Change],
    options: EditOptions,
    watcher: Watcher,
    *,
    explain: Callable[[Environment, Outcome], str],
) -> PinEdit:
    """Applies changes to a description, resolves and judges its locks, and writes all files in one transaction.

    `explain` gives the sentence for an environment that has no lock with them, "" for none. Raises FindingsError or ToolError
    with nothing written where one has none, and ToolError where a description or lock changed meanwhile.
    """
    before = repo.descriptions[service.file]
    after = edit.apply_changes(before, changes, file=service.file)
    staged = _staged(repo, {service.file: after})
    environments = select_environments(staged.services, service=service.name)
    if note := lock.documents_note(repo):
        watcher.notice(note)
    present = lock.read_inputs(repo, environments)
    outcomes, locks = lock.resolve_all(
        staged, environments, recorded=options.recorded, cutoff=options.cutoff, show_status=watcher.status
    )
    _require_locks(environments, outcomes, explain)
    written: tuple[str, ...] = ()
    if not options.dry_run:
        with exclusive(repo), exclusive_services(repo, {service.name}):
            require_same_services(repo)
            written = _write_edit(repo, staged, environments, locks, present, overwrite=options.overwrite)
    return PinEdit(
        service=service.name,
        pins=(),
        diff=edit.unified_diff(before, after, service.file),
        outcomes=outcomes,
        locks=locks,
        files=written,
        dry_run=options.dry_run,
    )


def _write_edit(
    repo: Repository,
    staged: Repository,
    environments: Sequence[Environment],
    locks: Mapping[str, Lock],
    present: set[str],
    *,
    overwrite: bool,
) -> tuple[str, ...]:
    """Writes the staged description, its locks, their rendered files and the documents; the paths of the changed files."""
    files = lock.expected_files(staged, environments, locks)
    if not overwrite:
        require_unedited(staged, files)
    read_texts = {**repo.inputs, **lock.unchanged_inputs(staged, files, present)}
    return write(repo, {**staged.staged, **files}, before=read_texts)


def _staged(repo: Repository, texts: Mapping[str, str]) -> Repository:
    """The repository as if these descriptions were written."""
    descriptions = {path: text for path, text in repo.descriptions.items() if _is_read(repo, path)}
    return replace(repo, services=read.read_services({**descriptions, **texts}), staged=texts)


def _is_read(repo: Repository, path: str) -> bool:
    return any(service.file == path for service in repo.services)


def _require_locks(
    environments: Sequence[Environment],
    outcomes: Sequence[Outcome],
    explain: Callable[[Environment, Outcome], str],
) -> None:
    failed = [(env, outcome) for env, outcome in zip(environments, outcomes, strict=True) if outcome.code]
    if not failed:
        return
    lines = []
    for env, outcome in failed:
        sentence = explain(env, outcome) if outcome.code == FindingsError.exit_code else ""
        lines += [f"{env.name}: {sentence}"] if sentence else []
        lines.append(f"{env.name}: {outcome.detail}")
    error = FindingsError if failed[0][1].code == FindingsError.exit_code else ToolError
    raise error("\n".join([*lines, "nothing was changed"]))
