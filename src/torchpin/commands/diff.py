"""What was, what is and what could be: differences between states, known vulnerabilities, and what could move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.queries import diff as queries_diff
from torchpin.tools.files import read_text
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.queries.diff import Difference, State
    from torchpin.workspace.workspace import Repository

HERE = "."


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
        return queries_diff.record(word, read_text(place) or "", environment=kept)
    files = (
        {path.name: read_text(path) or "" for path in sorted(place.glob("*.txt"))} if place.is_dir() else {}
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
    locks = {path.relative_to(repo.root).as_posix(): read_text(path) or "" for path in paths}
    return workspace.descriptions(repo.root) | locks


# --- audit -----------------------------------------------------------------------------------------------------------


# --- outdated --------------------------------------------------------------------------------------------------------
