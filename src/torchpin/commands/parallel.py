"""The verbs: read, plan, do, answer with outcomes. Nothing here prints."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from torchpin.checks import run
from torchpin.compat import recommendations
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError, Stop, ToolError
from torchpin.image import dockerfile
from torchpin.lock import file_format, layers
from torchpin.model import Mark, Problem, Upstream
from torchpin.queries import why as queries_why
from torchpin.tools import index_server, process, transaction, uv_resolve
from torchpin.workspace import workspace
from torchpin.workspace.evidence import bare, committed, documents, everything, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torchpin.model import Environment, Lock, Source
    from torchpin.queries.why import Why
    from torchpin.workspace.workspace import Repository

    Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one thing: `changed` and `same` are good, `failed` is not; `code` is the exit code it asks for."""

    name: str
    status: Literal["changed", "same", "failed"]
    detail: str = ""
    code: int = 0
    seconds: float = 0.0


def quiet(_: object) -> None:
    return None


@contextmanager
def alone(repo: Repository | Path, what: str = "writing", *, patience: float = 60) -> Iterator[None]:
    """One at a time in a repository: writers of its files, or cloners of one source. Raises ToolError after `patience` s."""
    from filelock import FileLock, Timeout

    place = (repo if isinstance(repo, PurePath) else repo.root) / ".torchpin"
    place.mkdir(exist_ok=True)
    try:
        with FileLock(place / f"{what}.lock", timeout=patience):
            yield
    except Timeout:
        raise ToolError(
            f"Another torchpin command is {what} in this repository. Try again when it has ended."
        ) from None


def cloned(repo: Repository, source: Source, *, verify_tag: bool = False) -> str:
    """A source at its commit, cloned by one command at a time however long that takes; what was done."""
    from torchpin.tools import git

    with alone(repo, f"cloning-{source.name}", patience=-1):
        return git.clone(repo.root, source, repo.settings, verify_tag=verify_tag)


def each(
    environments: Sequence[Environment], do: Callable[[Environment], Outcome], *, workers: int = 4
) -> tuple[Outcome, ...]:
    """Every environment, several at a time; one that fails does not stop the others."""

    def guarded(env: Environment) -> Outcome:
        start = time.monotonic()
        try:
            outcome = do(env)
        except Stop as stop:
            outcome = Outcome(name=env.name, status="failed", detail=str(stop), code=stop.exit_code)
        return replace(outcome, seconds=time.monotonic() - start)

    if min(workers, len(environments)) == 1:  # in this thread, where an interrupt arrives
        return tuple(map(guarded, environments))
    with ThreadPoolExecutor(workers) as pool:
        try:
            return tuple(pool.map(guarded, environments))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            process.end_all()
            raise


def judge(
    repo: Repository, environments: Sequence[Environment], *, gpus: Sequence[str] = (), driver: str = ""
) -> tuple[run.Result, ...]:
    """Whether the pins can work, by the judge's checks alone: descriptions, locks and facts; no network, no process."""
    return run.run(judged(repo, environments, gpus=gpus, driver=driver), judge=True)


def why(repo: Repository, env: Environment, component: str) -> Why:
    """A pin's chain, from the lock where it answers the description."""
    evidence = judged(repo, [env])
    return queries_why.why(env, run.lock_of(evidence, env), run.run(evidence, judge=True), component)


def page(file: Path, text: str) -> Outcome:
    """A page, written wherever people want it. Raises ToolError where it cannot be."""
    changed = process.write({file.absolute(): text})
    return Outcome(name=str(file), status="changed" if changed else "same")


def expect_workable(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError when facts say that pins cannot work; what is waived, and warnings, pass."""
    found = run.blocking(judge(repo, environments))
    if found:
        said = "\n".join(f"{one.where}: {one.message}\n    {one.remedy}" for one in found)
        raise FindingsError(f"{said}\nThese pins cannot work; nothing was started.")


# --- lock ------------------------------------------------------------------------------------------------------------


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
        write(repo, {**texts_of(repo, environments, made), **documents(repo, made)})
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
    uv_resolve.uv()  # found once, before the threads: Python's sysconfig is not made for several at a time
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
        moves = recommendations.moved(before.packages if before else {}, found.packages)
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
            folder = workspace.lock_folder(env)
            files |= {f"{folder}/{name}": None for name in workspace.lock_files(repo, env)}
            files |= {f"{folder}/{name}": text for name, text in file_format.files(made[env.name]).items()}
            files |= workspace.rendered(repo, env, made[env.name]).files
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
        if repo.text(workspace.smoke_path(service)) is None:
            where = Mark(file=workspace.smoke_path(service), line=0, column=0)
            message = "is missing: say there what must run inside the image"
            problems.append(Problem(where=where, path="", message=message))
    for path in workspace.DOCUMENTS:
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
            file_format.parse(workspace.lock_folder(env), workspace.lock_files(repo, env))
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
        yield None if channel == "pypi" else repo.settings.mirrors.get(channel) or layers.index_url(channel)


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


def write(
    repo: Repository, files: Mapping[str, str | None], *, before: Mapping[str, str | None] | None = None
) -> tuple[str, ...]:
    """All files or none, as a transaction; the paths that changed. `before`: what was read of files, and must still hold."""
    return transaction.write(repo.root, files, before=before)


def recover(root: Path) -> str | None:
    """Finishes or clears up what a stopped command left of a transaction; a sentence for people, None for nothing."""
    if not transaction.pending(root):
        return None
    with alone(root):
        return transaction.recover(root)


def check(repo: Repository, environments: Sequence[Environment], *ids: str) -> tuple[run.Result, ...]:
    """The committed state against the descriptions, by the checks whose ids start so. Offline, nothing resolved."""
    evidence = committed(repo, environments, texts=any(not one.startswith("LCK") for one in ids))
    return tuple(result for result in run.run(evidence) if result.check.startswith(ids))


# --- clone, render, document -----------------------------------------------------------------------------------------


def clone(repo: Repository, environments: Sequence[Environment]) -> tuple[Outcome, ...]:
    """Every source of the services, at its tag and recorded commit."""
    from torchpin.tools import git

    outcomes = []
    wanted = {
        (env.service.name, source.name): source for env in environments for source in env.service.sources
    }
    for source in wanted.values():
        start = time.monotonic()
        try:
            done = cloned(repo, source, verify_tag=True)
            detail = f"{done} at {source.tag} = {source.commit[:12]}"
            outcome = Outcome(
                name=source.path, status="same" if done == git.PRESENT else "changed", detail=detail
            )
        except Stop as stop:
            outcome = Outcome(name=source.path, status="failed", detail=str(stop), code=stop.exit_code)
        outcomes.append(replace(outcome, seconds=time.monotonic() - start))
    return tuple(outcomes)


def rendering(repo: Repository, environments: Sequence[Environment]) -> tuple[Outcome, ...]:
    """Writes every environment's Dockerfile and the list of its build context."""
    files: dict[str, str | None] = {}
    for env in environments:
        files |= workspace.rendered(repo, env, workspace.lock(repo, env)).files
    return written(repo, files)


def document(repo: Repository) -> tuple[Outcome, ...]:
    """Writes the generated sections of the documents; prose outside their markers stays as it is."""
    return written(repo, dict(documents(repo, {}, strict=True)))


def written(repo: Repository, files: dict[str, str | None]) -> tuple[Outcome, ...]:
    with alone(repo):
        changed = write(repo, files)
    return tuple(Outcome(name=path, status="changed" if path in changed else "same") for path in files)


# --- verify, export, and what there is -------------------------------------------------------------------------------


def verify(
    repo: Repository, environments: Sequence[Environment], *, require: Sequence[str] = ()
) -> tuple[run.Result, ...]:
    """Every check on everything that can be gathered here. The network is asked only where it is required."""
    evidence = everything(repo, environments, network="network" in require)
    return run.run(evidence)


def failures(results: Sequence[run.Result], *, require: Sequence[str] = ()) -> int:
    """The exit code that results ask for: findings, and skips of what is required."""
    bad = any(
        r.status == "found"
        or (r.status == "skipped" and (r.need in require or (r.image and "image" in require)))
        for r in results
    )
    return FindingsError.exit_code if bad else 0


def export(repo: Repository, env: Environment, form: str) -> str:
    """A lock in a standard form: `requirements` (offline, no address) or `pylock` (PEP 751, with today's addresses)."""
    locked = workspace.lock(repo, env)
    if form == "requirements":
        return dockerfile.requirements(env, locked)
    with _channel(repo, env, recorded=False) as address:
        return uv_resolve.pylock(env, locked, repo.settings, index=address)
