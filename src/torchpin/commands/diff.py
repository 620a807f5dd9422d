"""`diff`: the differences between two states of the locks or records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.paths import LOCKFILES, RECORDS, SERVICES
from torchpin.queries.diff import compare_snapshots, lock_snapshot, record_snapshot, repository_snapshot
from torchpin.tools.files import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.queries.diff import Difference, Snapshot
    from torchpin.workspace.workspace import Repository

WORKING_TREE = "."


def compare_states(
    repo: Repository,
    before: str,
    after: str = WORKING_TREE,
    *,
    service: str = "",
    directory: Path | None = None,
) -> tuple[Difference, ...]:
    """What changed between two states, an environment each.

    A state is a git revision, `.` (the working tree), or the path of a freeze record or a lock folder; paths are read
    from `directory`, or from the repository. Raises InputError for an argument that is none of these.
    """
    snapshots = [_read_snapshot(repo, argument, directory or repo.root) for argument in (before, after)]
    return compare_snapshots(*snapshots, service=service)


def _read_snapshot(repo: Repository, argument: str, directory: Path) -> Snapshot:
    if argument == WORKING_TREE:
        return repository_snapshot("the working tree", _working_tree_texts(repo))
    path = directory / argument
    if path.is_file():
        folder = path.resolve().parent  # records/<environment>/pip_freeze.txt
        environment = folder.name if folder.parent == (repo.root / RECORDS).resolve() else ""
        return record_snapshot(argument, read_text(path) or "", environment=environment)
    files = {file.name: read_text(file) or "" for file in sorted(path.glob("*.txt"))} if path.is_dir() else {}
    return lock_snapshot(argument, files) if files else _revision_snapshot(repo, argument)


def _revision_snapshot(repo: Repository, argument: str) -> Snapshot:
    from torchpin.tools import git_checkout

    try:
        texts = git_checkout.texts_at_revision(repo.root, argument, (f"{SERVICES}/", f"{LOCKFILES}/"))
    except InputError as error:
        raise InputError(
            f"{error}; a state is a git revision, a freeze record, a lock folder, or `.`"
        ) from None
    return repository_snapshot(argument, texts)


def _working_tree_texts(repo: Repository) -> dict[str, str]:
    paths = sorted((repo.root / LOCKFILES).glob("*/*.txt"))
    locks = {
        name: repo.text(name) or "" for name in (path.relative_to(repo.root).as_posix() for path in paths)
    }
    return {**repo.descriptions} | locks
