"""What was, what is and what could be: differences between states, known vulnerabilities, and what could move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.queries import diff as queries_diff
from torchpin.queries import outdated, vulnerabilities
from torchpin.tools import process, uv_audit
from torchpin.workspace import workspace
from torchpin.workspace.evidence import judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torchpin.checks.run import Result
    from torchpin.model import Environment, Lock
    from torchpin.queries.diff import Difference, Move, State
    from torchpin.queries.outdated import Outlook, Step
    from torchpin.workspace.workspace import Repository

HERE = "."
DIFF_HEADERS = ("environment", "what", "change", "before", "after", "download")
_KINDS = ("added", "removed", "moved", "other file")


# --- diff ------------------------------------------------------------------------------------------------------------


def diff(
    repo: Repository, before: str, after: str = HERE, *, service: str = "", below: Path | None = None
) -> tuple[Difference, ...]:
    """What changed between two states, an environment each.

    A state is a git revision, `.` (the working tree), or the path of a freeze record or a lock folder; paths are read
    from `below`, or from the repository. Raises InputError for a word that is none of these.
    """
    states = [_state(repo, word, below or repo.root) for word in (before, after)]
    return queries_diff.differences(*states, service=service)


def _state(repo: Repository, word: str, below: Path) -> State:
    if word == HERE:
        return queries_diff.repository("the working tree", _texts(repo))
    place = below / word
    if place.is_file():
        folder = place.resolve().parent
        kept = folder.name if folder.parent == (repo.root / "records").resolve() else ""
        return queries_diff.record(word, process.read(place) or "", environment=kept)
    files = (
        {path.name: process.read(path) or "" for path in sorted(place.glob("*.txt"))}
        if place.is_dir()
        else {}
    )
    return queries_diff.lock(word, files) if files else _revision(repo, word)


def _revision(repo: Repository, word: str) -> State:
    from torchpin.tools import git

    try:
        texts = git.texts(repo.root, word, (queries_diff.SERVICES, queries_diff.LOCKS))
    except InputError as error:
        raise InputError(
            f"{error} A state is a git revision, a freeze record, a lock folder, or `.`"
        ) from None
    return queries_diff.repository(word, texts)


def _texts(repo: Repository) -> dict[str, str]:
    paths = sorted((repo.root / queries_diff.LOCKS).glob("*/*.txt"))
    locks = {path.relative_to(repo.root).as_posix(): process.read(path) or "" for path in paths}
    return workspace.descriptions(repo.root) | locks


def diff_rows(found: Sequence[Difference]) -> list[tuple[str, ...]]:
    """A row a change, as DIFF_HEADERS names the cells."""
    return [
        (one.environment, move.what, move.kind, move.before, move.after, download)
        for one in found
        for move, download in _downloads(one)
    ]


def _downloads(one: Difference) -> Iterator[tuple[Move, str]]:
    for move in one.ground:
        yield move, ""
    for move in one.packages:
        lost = [f"-{_size(move.size_before)}"] if move.before else []
        gained = [f"+{_size(move.size_after)}"] if move.after else []
        yield move, ", ".join([*lost, *gained])


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.1f} MB" if count else "0"


def total(one: Difference) -> str:
    """What changed in an environment, in one line."""
    counts = {kind: sum(move.kind == kind for move in one.packages) for kind in _KINDS}
    told = [f"{count} {kind}" for kind, count in counts.items() if count]
    told = [f"packages: {', '.join(told)}" if told else "no package changed"]
    if one.packages:
        unsized = f", and {one.unsized} of unknown size" if one.unsized else ""
        told.append(f"download: -{_size(one.removed_bytes)}, +{_size(one.added_bytes)}{unsized}")
    moved = [move.what for move in one.ground if move.kind == "moved"]
    told += [f"moved: {', '.join(moved)}"] if moved else []
    return "; ".join([f"{one.environment or 'the two records'}: {told[0]}", *told[1:], *one.notes])


# --- audit -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """The results, an environment each, and words to people: what was asked, and waivers that accept nothing."""

    results: tuple[Result, ...]
    notices: tuple[str, ...]


def audit(repo: Repository, environments: Sequence[Environment]) -> Audit:
    """Known vulnerabilities of the locked packages. Raises ToolError where that cannot be found out."""
    evidence = judged(repo, environments)
    locks = evidence.locks
    if not locks:
        return Audit(
            results=tuple(vulnerabilities.result(env, None, (), evidence.today) for env in environments),
            notices=(),
        )
    found = uv_audit.known(vulnerabilities.asked(locks.values()), repo.settings)
    results = (
        vulnerabilities.result(env, locks.get(env.name), found, evidence.today) for env in environments
    )
    notices = vulnerabilities.notices(
        [env for env in environments if env.name in locks], locks.values(), found
    )
    return Audit(results=tuple(results), notices=notices)


# --- outdated --------------------------------------------------------------------------------------------------------


def outlooks(
    repo: Repository, environments: Sequence[Environment], *, offline: bool = False
) -> tuple[Outlook, ...]:
    """What could move in each environment, and what that would open or close. `offline`: PyPI is not asked.

    Raises InputError for an environment without a readable lock, and ToolError where PyPI cannot be asked.
    """
    locks = {env.name: _lock(repo, env) for env in environments}
    wanted = {env.name: (env, outdated.asked(env, locks[env.name])) for env in environments}
    newest = {} if offline else uv_audit.newest(wanted, repo.settings)
    return tuple(outdated.outlook(env, locks[env.name], newest.get(env.name)) for env in environments)


def _lock(repo: Repository, env: Environment) -> Lock:
    found = judged(repo, [env])
    if env.name in found.locks:
        return found.locks[env.name]
    why = "; ".join(found.broken.get(env.name, ())) or "it is not locked"
    raise InputError(f"{env.name}: {why}. Run `invoke lock --service {env.service.name}`.")


def outdated_lines(found: Sequence[Outlook]) -> list[str]:
    """What could move, for people: what all later releases of torch open or close is told once."""
    return [line for one in found for line in _outlook_lines(one)]


def _outlook_lines(one: Outlook) -> Iterator[str]:
    yield (
        f"{one.environment}: {len(one.steps)} could move"
        if one.steps
        else f"{one.environment}: nothing could move"
    )
    torch = [step for step in one.steps if step.kind == "torch"]
    shared = _shared(torch)
    for step in one.steps:
        name = f"source {step.name}" if step.kind == "source" else step.name
        where = f" from {', '.join(step.where)}" if step.kind == "torch" else ""
        notes = f" ({'; '.join(step.notes)})" if step.notes else ""
        yield f"  {name} {step.used} -> {step.to}{where}{notes}"
        yield from _effects(step, without=shared if step in torch[1:] else frozenset())
    yield from (f"  note: {note}" for note in one.notes)


def _shared(steps: Sequence[Step]) -> frozenset[str]:
    """What every one of several steps opens or closes; nothing where there is one alone."""
    told = [frozenset((*step.opens, *step.closes)) for step in steps]
    return frozenset.intersection(*told) if len(told) > 1 else frozenset()


def _effects(step: Step, *, without: frozenset[str]) -> Iterator[str]:
    yield from (f"      opens: {one}" for one in step.opens if one not in without)
    yield from (f"      closes: {one}" for one in step.closes if one not in without)
    if without:
        yield "      and what all of them open and close, as told above"
