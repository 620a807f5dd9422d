"""`lock` and `export`: each environment resolved, judged and written; a lock in a standard form."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks import run
from torchpin.commands.judge import require_compatible
from torchpin.commands.parallel import for_each_environment, ignore
from torchpin.description.environments import index_url
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError
from torchpin.lock import compare, file_format
from torchpin.lock.export import render_requirements
from torchpin.model import Outcome, Position, Problem, Upstream
from torchpin.tools import index_server, uv, uv_export, uv_resolve
from torchpin.workspace import generated, workspace
from torchpin.workspace.evidence import from_descriptions
from torchpin.workspace.write import clone_source, exclusive, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.commands.parallel import StatusCallback
    from torchpin.model import Environment, Lock, Source
    from torchpin.workspace.workspace import Repository


def lock(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    say: StatusCallback = ignore,
) -> tuple[Outcome, ...]:
    """Resolves and writes the locks, and in the same stroke the renderings and documents that follow from them.

    `recorded` reads the channels from the recorded facts instead of PyTorch's index. A lock that fails leaves its old one.
    """
    outcomes, new_locks = resolve_all(repo, environments, upgrade=upgrade, recorded=recorded, say=say)
    with exclusive(repo):
        write(
            repo,
            {
                **generated_texts(repo, environments, new_locks),
                **generated.expected_documents(repo, new_locks),
            },
        )
    return outcomes


def resolve_all(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    say: StatusCallback = ignore,
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    """The locks as they should be, by environment, judged; nothing is written. One that has no solution is missing."""
    require_compatible(repo, environments)
    _require_complete(repo, environments)
    uv.uv_executable()  # found once, before the threads: Python's sysconfig is not made for several at a time
    new_locks: dict[str, Lock] = {}

    def resolve_environment(env: Environment) -> Outcome:
        current = _present_lock(repo, env)
        with _channel_index(repo, env, recorded=recorded) as address:
            upstreams = tuple(
                _read_upstream(repo, source, say) for source in env.service.sources if source.requirements
            )
            say(f"{env.name}: resolving")
            new_lock = uv_resolve.resolve(
                env,
                repo.settings,
                index=address,
                current=current,
                upgrade=upgrade,
                upstreams=upstreams,
                published=repo.published,
            )
        new_locks[env.name] = new_lock
        changes = compare.package_changes(current.packages if current else {}, new_lock.packages)
        detail = f"{len(new_lock.packages)} packages" + (
            f"; moved: {', '.join(changes)}" if current and changes else ""
        )
        same = file_format.lock_texts(new_lock) == workspace.read_lock_files(repo, env)
        return Outcome(name=env.name, status="same" if same else "changed", detail=detail)

    outcomes = for_each_environment(environments, resolve_environment)
    return tuple(_judge_outcome(repo, environments, new_locks, outcome) for outcome in outcomes), new_locks


def generated_texts(
    repo: Repository, environments: Sequence[Environment], new_locks: Mapping[str, Lock]
) -> dict[str, str | None]:
    """The files of new locks and of what they render to; None for those of the old ones that go."""
    files: dict[str, str | None] = {}
    for env in environments:
        if env.name in new_locks:
            folder = paths.lock_folder(env)
            files |= {f"{folder}/{name}": None for name in workspace.read_lock_files(repo, env)}
            files |= {
                f"{folder}/{name}": text for name, text in file_format.lock_texts(new_locks[env.name]).items()
            }
            files |= generated.render_environment(repo, env, new_locks[env.name]).files
    return files


def _judge_outcome(
    repo: Repository, environments: Sequence[Environment], new_locks: Mapping[str, Lock], outcome: Outcome
) -> Outcome:
    """An outcome with what only the new lock could tell: pins that no resolver refuses and that cannot work."""
    if outcome.name not in new_locks:
        return outcome
    selected = tuple(env for env in environments if env.name == outcome.name)
    evidence = replace(from_descriptions(selected), locks=new_locks, published=repo.published)
    findings = run.blocking_findings(run.run(evidence, judge=True))
    if not findings:
        return outcome
    message = "; ".join(f"{finding.location}: {finding.message}. {finding.help}" for finding in findings)
    detail = f"{outcome.detail}; locked, and it cannot work: {message}"
    return replace(outcome, status="failed", detail=detail, code=FindingsError.exit_code)


def _require_complete(repo: Repository, environments: Sequence[Environment]) -> None:
    """Everything that would stop the writing later, told before anything is resolved. Raises InputError with all of it."""
    problems: list[Problem] = []
    for service in {env.service.name: env.service for env in environments}.values():
        if repo.text(paths.smoke_path(service)) is None:
            position = Position(file=paths.smoke_path(service), line=0, column=0)
            message = "is missing: say there what must run inside the image"
            problems.append(Problem(position=position, path="", message=message))
    for path in paths.DOCUMENTS:
        try:
            markdown.splice_sections(path, repo.text(path) or "", {})
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError("Correct these first; nothing was resolved or written.", problems)


def _present_lock(repo: Repository, env: Environment) -> Lock | None:
    """The present lock, whose pins are kept where they can be; a broken one counts as none."""
    try:
        return (
            file_format.parse_lock(paths.lock_folder(env), workspace.read_lock_files(repo, env))
            if workspace.read_lock_files(repo, env)
            else None
        )
    except InputError:
        return None


@contextmanager
def _channel_index(repo: Repository, env: Environment, *, recorded: bool) -> Iterator[str | None]:
    """Where a channel is read from: the recorded facts, its mirror, or its canonical address (None: PyPI)."""
    channel = env.variant.channel
    if recorded and channel != "pypi":
        files = index_server.recorded_files(channel)
        if not files:
            raise InputError(
                f"The index of {channel} is not recorded; lock it from the index itself, without --recorded."
            )
        with index_server.serve({channel: files}) as base_url:
            yield f"{base_url}/{channel}/"
    else:
        yield None if channel == "pypi" else repo.settings.mirrors.get(channel) or index_url(channel)


def _read_upstream(repo: Repository, source: Source, say: StatusCallback) -> Upstream:
    from torchpin.tools import git

    action = clone_source(repo, source)
    if action != git.PRESENT:
        say(f"{source.path}: {action} at {source.tag}")
    text = git.read_requirements(repo.root, source)
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=str(source.requirements),
        requirements=file_format.requirement_lines(text),
    )


def export(repo: Repository, env: Environment, form: str) -> str:
    """A lock in a standard form: `requirements` (offline, no address) or `pylock` (PEP 751, with today's addresses)."""
    current_lock = workspace.read_lock(repo, env)
    if form == "requirements":
        return render_requirements(env, current_lock)
    with _channel_index(repo, env, recorded=False) as address:
        return uv_export.export_pylock(env, current_lock, repo.settings, index=address)
