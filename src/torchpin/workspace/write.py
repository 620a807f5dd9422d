"""Writes to the workspace, one writer at a time, each as one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.model import Outcome
from torchpin.tools import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torchpin.model import Source
    from torchpin.workspace.workspace import Repository


@contextmanager
def exclusive(repo: Repository | Path, activity: str = "writing", *, patience: float = 60) -> Iterator[None]:
    """One at a time in a repository: writers of its files, or cloners of one source. Raises ToolError after `patience` s."""
    from filelock import FileLock, Timeout

    folder = (repo if isinstance(repo, PurePath) else repo.root) / ".torchpin"
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / f"{activity}.lock", timeout=patience):
            yield
    except Timeout:
        raise ToolError(
            f"Another torchpin command is {activity} in this repository. Try again when it has ended."
        ) from None


def clone_source(repo: Repository, source: Source, *, verify_tag: bool = False) -> str:
    """A source at its commit, cloned by one command at a time however long that takes; what was done."""
    from torchpin.tools import git

    with exclusive(repo, f"cloning-{source.name}", patience=-1):
        return git.clone(repo.root, source, repo.settings, verify_tag=verify_tag)


def write(
    repo: Repository, files: Mapping[str, str | None], *, before: Mapping[str, str | None] | None = None
) -> tuple[str, ...]:
    """All files or none, as a transaction; the paths that changed. `before`: what was read of files, and must still hold."""
    return transaction.write(repo.root, files, before=before)


def recover(root: Path) -> str | None:
    """Finishes or clears up what a stopped command left of a transaction; a sentence for people, None for nothing."""
    if not transaction.pending(root):
        return None
    with exclusive(root):
        return transaction.recover(root)


def write_with_outcomes(repo: Repository, files: dict[str, str | None]) -> tuple[Outcome, ...]:
    with exclusive(repo):
        changed = write(repo, files)
    return tuple(Outcome(name=path, status="changed" if path in changed else "same") for path in files)
