"""`lock` and `export`: each environment resolved, judged and written; a lock in a standard form."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks import run
from torchpin.commands.judge import expect_workable
from torchpin.commands.parallel import each, quiet
from torchpin.description.environments import index_url
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError
from torchpin.lock import compare, file_format
from torchpin.lock.export import requirements
from torchpin.model import Mark, Outcome, Problem, Upstream
from torchpin.tools import index_server, uv, uv_export, uv_resolve
from torchpin.workspace import generated, workspace
from torchpin.workspace.evidence import bare
from torchpin.workspace.write import alone, cloned, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.commands.parallel import Say
    from torchpin.model import Environment, Lock, Source
    from torchpin.workspace.workspace import Repository


def lock(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    say: Say = quiet,
) -> tuple[Outcome, ...]:
    """Resolves and writes the locks, and in the same stroke the renderings and documents that follow from them.

    `recorded` reads the channels from the recorded facts instead of PyTorch's index. A lock that fails leaves its old one.
    """
    outcomes, made = resolved(repo, environments, upgrade=upgrade, recorded=recorded, say=say)
    with alone(repo):
        write(repo, {**texts_of(repo, environments, made), **generated.documents(repo, made)})
    return outcomes


def resolved(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    upgrade: Sequence[str] = (),
    recorded: bool = False,
    say: Say = quiet,
) -> tuple[tuple[Outcome, ...], dict[str, Lock]]:
    """The locks as they should be, by environment, judged; nothing is written. One that has no solution is missing."""
    expect_workable(repo, environments)
    _ready(repo, environments)
    uv.uv()  # found once, before the threads: Python's sysconfig is not made for several at a time
    made: dict[str, Lock] = {}

    def one(env: Environment) -> Outcome:
        before = _current(repo, env)
        with _channel(repo, env, recorded=recorded) as address:
            upstreams = tuple(
                _upstream(repo, source, say) for source in env.service.sources if source.requirements
            )
            say(f"{env.name}: resolving")
            found = uv_resolve.resolve(
                env,
                repo.settings,
                index=address,
                current=before,
                upgrade=upgrade,
                upstreams=upstreams,
                published=repo.published,
            )
        made[env.name] = found
        moves = compare.moved(before.packages if before else {}, found.packages)
        detail = f"{len(found.packages)} packages" + (
            f"; moved: {', '.join(moves)}" if before and moves else ""
        )
        same = file_format.files(found) == workspace.lock_files(repo, env)
        return Outcome(name=env.name, status="same" if same else "changed", detail=detail)

    outcomes = each(environments, one)
    return tuple(_judged(repo, environments, made, outcome) for outcome in outcomes), made


def texts_of(
    repo: Repository, environments: Sequence[Environment], made: Mapping[str, Lock]
) -> dict[str, str | None]:
    """The files of new locks and of what they render to; None for those of the old ones that go."""
    files: dict[str, str | None] = {}
    for env in environments:
        if env.name in made:
            folder = paths.lock_folder(env)
            files |= {f"{folder}/{name}": None for name in workspace.lock_files(repo, env)}
            files |= {f"{folder}/{name}": text for name, text in file_format.files(made[env.name]).items()}
            files |= generated.rendered(repo, env, made[env.name]).files
    return files


def _judged(
    repo: Repository, environments: Sequence[Environment], made: Mapping[str, Lock], outcome: Outcome
) -> Outcome:
    """An outcome with what only the new lock could tell: pins that no resolver refuses and that cannot work."""
    if outcome.name not in made:
        return outcome
    own = tuple(env for env in environments if env.name == outcome.name)
    evidence = replace(bare(own), locks=made, published=repo.published)
    found = run.blocking(run.run(evidence, judge=True))
    if not found:
        return outcome
    told = "; ".join(f"{one.where}: {one.message}. {one.remedy}" for one in found)
    detail = f"{outcome.detail}; locked, and it cannot work: {told}"
    return replace(outcome, status="failed", detail=detail, code=FindingsError.exit_code)


def _ready(repo: Repository, environments: Sequence[Environment]) -> None:
    """Everything that would stop the writing later, told before anything is resolved. Raises InputError with all of it."""
    problems: list[Problem] = []
    for service in {env.service.name: env.service for env in environments}.values():
        if repo.text(paths.smoke_path(service)) is None:
            where = Mark(file=paths.smoke_path(service), line=0, column=0)
            message = "is missing: say there what must run inside the image"
            problems.append(Problem(where=where, path="", message=message))
    for path in paths.DOCUMENTS:
        try:
            markdown.spliced(path, repo.text(path) or "", {})
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError("Correct these first; nothing was resolved or written.", problems)


def _current(repo: Repository, env: Environment) -> Lock | None:
    """The present lock, whose pins are kept where they can be; a broken one counts as none."""
    try:
        return (
            file_format.parse(paths.lock_folder(env), workspace.lock_files(repo, env))
            if workspace.lock_files(repo, env)
            else None
        )
    except InputError:
        return None


@contextmanager
def _channel(repo: Repository, env: Environment, *, recorded: bool) -> Iterator[str | None]:
    """Where a channel is read from: the recorded facts, its mirror, or its canonical address (None: PyPI)."""
    channel = env.variant.channel
    if recorded and channel != "pypi":
        files = index_server.recorded_files(channel)
        if not files:
            raise InputError(
                f"The index of {channel} is not recorded; lock it from the index itself, without --recorded."
            )
        with index_server.serve({channel: files}) as base:
            yield f"{base}/{channel}/"
    else:
        yield None if channel == "pypi" else repo.settings.mirrors.get(channel) or index_url(channel)


def _upstream(repo: Repository, source: Source, say: Say) -> Upstream:
    from torchpin.tools import git

    done = cloned(repo, source)
    if done != git.PRESENT:
        say(f"{source.path}: {done} at {source.tag}")
    text = git.requirements(repo.root, source)
    return Upstream(
        source=source.name,
        tag=source.tag,
        commit=source.commit,
        file=str(source.requirements),
        requirements=file_format.requirement_lines(text),
    )


def export(repo: Repository, env: Environment, form: str) -> str:
    """A lock in a standard form: `requirements` (offline, no address) or `pylock` (PEP 751, with today's addresses)."""
    locked = workspace.lock(repo, env)
    if form == "requirements":
        return requirements(env, locked)
    with _channel(repo, env, recorded=False) as address:
        return uv_export.pylock(env, locked, repo.settings, index=address)
