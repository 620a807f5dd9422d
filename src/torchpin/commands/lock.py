"""`lock`: each environment resolved, judged and written."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks import run
from torchpin.commands.answered_locks import answered_locks, note_resolved
from torchpin.commands.judge import check, require_compatible
from torchpin.commands.parallel import for_each_environment, ignore
from torchpin.compat.project_requirements import (
    addition_command,
    missing_packages_text,
    unmet_requirements,
)
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError
from torchpin.lock import compare, file_format
from torchpin.lock.cooldown import choose_cutoff
from torchpin.lock.sealing import has_header
from torchpin.model import Outcome, Position, Problem
from torchpin.quantities import count
from torchpin.tools import uv
from torchpin.workspace import generated
from torchpin.workspace.evidence import current_date, from_descriptions
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.workspace import read_lock_files
from torchpin.workspace.writer import (
    exclusive,
    exclusive_services,
    require_same_services,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, Lock, StatusCallback, Upstream
    from torchpin.workspace.workspace import Repository


def lock(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    refresh: bool = False,
    overwrite: bool = False,
    cutoff: CutOff | None = None,
    show_status: StatusCallback = ignore,
) -> tuple[Outcome, ...]:
    """Resolves the locks, and writes them in one transaction with their rendered files and the documents.

    A lock that answers its description is not resolved again, but with `refresh` or `upgrade`. `recorded` reads the channels
    from their index snapshots instead of PyTorch's index. `cutoff`: stands in place of the policy's. Where resolving fails, the old lock
    stays. Raises ToolError, with nothing written, where an update of one of the services runs, or where a description or lock
    changed while it was resolved; without `overwrite`, FindingsError where an edit by hand would be lost.
    """
    # a copy that has read nothing yet: what it reads must not change until the locks are written
    repo = replace(repo)
    services = {env.service.name for env in environments}
    with exclusive_services(repo, services):
        present = read_inputs(repo, environments)
    if not overwrite:
        _require_unedited_locks(repo, present)
    answered = {} if refresh or upgrade else answered_locks(repo, environments)
    if len(answered) == len(environments) and _is_settled(repo, environments):
        show_status(_answered_note(len(answered)))
        return tuple(_same_lock(env, answered[env.name]) for env in environments)
    outcomes, new_locks = resolve_all(
        repo,
        environments,
        upgrade=upgrade,
        recorded=recorded,
        answered=answered,
        cutoff=cutoff,
        show_status=show_status,
    )
    is_changed = any(outcome.status != "same" for outcome in outcomes)
    # not while resolving, which takes long and writes nothing
    with exclusive(repo), exclusive_services(repo, services):
        require_same_services(repo)
        is_needed = is_changed or not _is_settled(repo, environments)
        files = expected_files(repo, environments, new_locks) if is_needed else {}
        if not overwrite:
            require_unedited(repo, files)
        written = write(repo, files, before=unchanged_inputs(repo, files, present))
    resolved = new_locks.keys() - answered.keys()
    note_resolved(replace(repo), [env for env in environments if env.name in resolved])
    return tuple(_with_written_files(outcome, written) for outcome in outcomes)


def expected_files(
    repo: Repository, environments: Sequence[Environment], new_locks: Mapping[str, Lock]
) -> dict[str, str | None]:
    """The files of new locks, their rendered files and the documents, by path; None for those that are removed."""
    return {
        **generated_texts(repo, environments, new_locks),
        **generated.expected_documents(repo, new_locks),
    }


def _require_unedited_locks(repo: Repository, present: Iterable[str]) -> None:
    """Raises FindingsError for a lock that was edited by hand, before the minutes that resolving may take."""
    require_unedited(repo, dict.fromkeys(path for path in present if has_header(repo.text(path) or "")))


def documents_note(repo: Repository) -> str:
    """Why a lock is written without the documents; "" where they are written with it."""
    if not repo.broken:
        return ""
    names = ", ".join(repo.broken)
    return f"the documents show all services and are not written, since the description of {names} cannot be read"


def _with_written_files(outcome: Outcome, changed: Sequence[str]) -> Outcome:
    """An outcome that is not *same* where a rendered file was written."""
    rendered = [path for path in paths.environment_paths(outcome.name) if path in changed]
    if outcome.status != "same" or not rendered:
        return outcome
    return replace(outcome, status="changed", detail=f"{outcome.detail}; rendered: {', '.join(rendered)}")


def read_inputs(repo: Repository, environments: Sequence[Environment]) -> set[str]:
    """Reads what locks rest on beside the descriptions, before anything is resolved, and returns the present files of locks."""
    for env in environments:
        repo.text(paths.smoke_path(env.service.name))
        read_lock_files(repo, env)
    return {
        path.relative_to(repo.root).as_posix()
        for env in environments
        for path in (repo.root / paths.lock_folder(env.name)).glob("*")
        if paths.is_lock_file(path.name)
    }


def unchanged_inputs(
    repo: Repository, files: Mapping[str, str | None], present: set[str]
) -> dict[str, str | None]:
    """The texts that were read, and None for every lock file that was not present."""
    new = [path for path in files if path.startswith(f"{paths.LOCKFILES}/") and path not in present]
    return {**repo.inputs, **repo.descriptions, **dict.fromkeys(new)}


def resolve_all(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    known_upstreams: Sequence[Upstream] = (),
    answered: Mapping[str, Lock] = MappingProxyType({}),
    cutoff: CutOff | None = None,
    show_status: StatusCallback = ignore,
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    """The new locks by environment, judged; nothing is written. An environment without a solution has none.

    `known_upstreams`: requirements of sources, which are then not cloned. `answered`: present locks that stay, unresolved.
    `cutoff`: stands in place of the policy's.
    """
    _require_lockable(repo, environments)
    if answered:
        show_status(_answered_note(len(answered)))
    if len(answered) < len(environments):
        # it brings uv and the indexes, which a lock that stays does not need
        from torchpin.commands import resolving
    uv.uv_executable()  # cached before the threads start: sysconfig, which it reads, is not thread-safe
    policy, today = repo.policy, current_date()
    new_locks: dict[str, Lock] = {**answered}

    def resolve_environment(env: Environment) -> Outcome:
        if env.name in answered:
            return _same_lock(env, answered[env.name])
        current = present_lock(repo, env)
        notices: dict[str, None] = {}  # each once, in their order
        chosen = cutoff or choose_cutoff(policy, env, current, upgrade=upgrade, today=today)
        age = resolving.Age(cutoff=chosen, add_notice=notices.setdefault)
        new_lock = resolving.resolve(
            repo, env, current, upgrade, show_status, age, recorded=recorded, known_upstreams=known_upstreams
        )
        new_locks[env.name] = new_lock
        return _resolved_outcome(repo, env, current, new_lock, notices)

    outcomes = for_each_environment(environments, resolve_environment)
    # the present locks were judged at the start
    judged = (
        outcome if outcome.name in answered else _judge_outcome(repo, environments, new_locks, outcome)
        for outcome in outcomes
    )
    return tuple(judged), new_locks


def _resolved_outcome(
    repo: Repository, env: Environment, current: Lock | None, new_lock: Lock, excepted: Iterable[str]
) -> Outcome:
    """What a new lock changes. `excepted`: the packages that are younger than the cool-down allows."""
    same = file_format.lock_texts(new_lock) == read_lock_files(repo, env)
    changes = tuple(compare.moved_packages(current.packages, new_lock.packages)) if current else ()
    detail = _resolved_detail(new_lock, len(changes), excepted) + _missing_packages_note(env, new_lock)
    return Outcome(name=env.name, status="same" if same else "changed", detail=detail, changes=changes)


def _resolved_detail(new_lock: Lock, changed: int, excepted: Iterable[str]) -> str:
    """The result in words: how many packages there are, how many changed, which are younger than the cool-down allows."""
    parts = [_package_count(new_lock)]
    if changed:
        parts.append(f"{changed} changed")
    if names := ", ".join(excepted):
        parts.append(f"younger than the cool-down allows, and excepted: {names}")
    return "; ".join(parts)


def _is_settled(repo: Repository, environments: Sequence[Environment]) -> bool:
    """Whether the rendered files and documents are as they would be written; raises what would keep them from it."""
    _require_lockable(repo, environments)
    results = [*check(repo, environments, "LCK", "DKR"), *check(repo, environments, "DOC")]
    return all(result.status == "ok" for result in results)


def _same_lock(env: Environment, lock: Lock) -> Outcome:
    detail = _package_count(lock) + _missing_packages_note(env, lock)
    return Outcome(name=env.name, status="same", detail=detail)


def _missing_packages_note(env: Environment, lock: Lock) -> str:
    """A further line for what the files of an adopted project ask for and the lock does not have, "" for nothing."""
    rows = unmet_requirements(env, lock)
    if not rows:
        return ""
    return f"\n  warning: {missing_packages_text(rows)}\n  help: `{addition_command(env, rows)}` pins them"


def _package_count(lock: Lock) -> str:
    return count(len(lock.packages), "package")


def _answered_note(count: int) -> str:
    if count == 1:
        return "1 lock is up to date and is not resolved again; `--refresh` asks the indexes"
    return f"{count} locks are up to date and are not resolved again; `--refresh` asks the indexes"


def generated_texts(
    repo: Repository, environments: Sequence[Environment], new_locks: Mapping[str, Lock]
) -> dict[str, str | None]:
    """The files of new locks and their rendered files, by path; None for files of the old locks, which are removed."""
    files: dict[str, str | None] = {}
    for env in environments:
        if env.name in new_locks:
            folder = paths.lock_folder(env.name)
            files |= {f"{folder}/{name}": None for name in read_lock_files(repo, env)}
            files |= {
                f"{folder}/{name}": text for name, text in file_format.lock_texts(new_locks[env.name]).items()
            }
            files |= generated.environment_files(repo, env, new_locks[env.name])
    return files


def _judge_outcome(
    repo: Repository, environments: Sequence[Environment], new_locks: Mapping[str, Lock], outcome: Outcome
) -> Outcome:
    """An outcome, failed where the new lock shows incompatible pins that a resolver accepts."""
    if outcome.name not in new_locks:
        return outcome
    selected = tuple(env for env in environments if env.name == outcome.name)
    context = replace(from_descriptions(selected), locks=new_locks, published=repo.published)
    findings = run.blocking_findings(run.run(context, judge=True))
    if not findings:
        return outcome
    message = "; ".join(
        f"{finding.location}: {finding.message} (help: {finding.help})" for finding in findings
    )
    detail = f"{outcome.detail}; locked with incompatible pins: {message}"
    return replace(outcome, status="failed", detail=detail, code=FindingsError.exit_code)


def _require_lockable(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises what keeps environments from being locked and written: incompatible pins, then what is missing for the files."""
    require_compatible(repo, environments)
    _require_complete(repo, environments)


def _require_complete(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises InputError with every problem that would stop the writing later, before anything is resolved."""
    problems: list[Problem] = []
    for service in {env.service.name: env.service for env in environments}.values():
        if repo.text(paths.smoke_path(service.name)) is None:
            position = Position(file=paths.smoke_path(service.name), line=0, column=0)
            message = "is missing; it runs inside the image as its smoke test"
            problems.append(Problem(position=position, path="", message=message))
    for path in generated.document_paths(repo):
        try:
            markdown.splice_sections(path, repo.text(path) or "", {})
        except InputError as error:
            problems += error.problems
    if not problems:
        problems += generated.standing_sections(repo)
    if problems:
        raise InputError("correct these first; nothing was resolved or written", problems)


def present_lock(repo: Repository, env: Environment) -> Lock | None:
    """The present lock, whose versions are kept where possible; None for a missing or broken one."""
    try:
        texts = file_format.with_present_names(read_lock_files(repo, env))
        return file_format.parse_lock(paths.lock_folder(env.name), texts) if texts else None
    except InputError:
        return None
