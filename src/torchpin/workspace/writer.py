"""Writes to the repository: one writer at a time, each write a transaction."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import ToolError
from torchpin.model import Outcome
from torchpin.tools import transaction
from torchpin.tools.files import make_work_folder
from torchpin.workspace import description_files
from torchpin.workspace.hand_edits import require_unedited, written_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torchpin.model import Source, StatusCallback
    from torchpin.workspace.workspace import Repository

_SERVICE_PATIENCE = (
    2  # seconds: a `lock` holds the pins only while it reads or writes, an update until it has built
)


@contextmanager
def exclusive(repo: Repository | Path, activity: str = "writing", *, patience: float = 60) -> Iterator[None]:
    """Hold the repository's lock for an activity: writing files, or cloning a source.

    Raises ToolError when another command holds it for more than `patience` seconds; -1 waits without limit.
    """
    from filelock import FileLock, Timeout

    root = repo if isinstance(repo, PurePath) else repo.root
    folder = make_work_folder(root)
    try:
        with FileLock(folder / f"{activity.replace(' ', '-')}.lock", timeout=patience):
            yield
    except Timeout:
        raise ToolError(
            f"another torchpin command is {activity} in this repository; try again when it has finished"
        ) from None


@contextmanager
def exclusive_services(repo: Repository | Path, services: Iterable[str]) -> Iterator[None]:
    """Hold the pins of services: while an update of one of them runs, its images' build included, nothing else moves them.

    Raises ToolError where another command holds those of one.
    """
    with ExitStack() as stack:
        for service in sorted({*services}):
            stack.enter_context(exclusive(repo, f"bumping {service}", patience=_SERVICE_PATIENCE))
        yield


def clone_source(
    repo: Repository,
    source: Source,
    *,
    verify_tag: bool = False,
    show_status: StatusCallback | None = None,
) -> str:
    """Clone a source at its recorded commit and return what was done; waits for another command that clones it.

    `show_status`: where the progress of a clone is shown.
    """
    from torchpin.tools import git

    with exclusive(repo, f"cloning-{source.name}", patience=-1):
        return git.clone(repo.root, source, repo.settings, verify_tag=verify_tag, show_status=show_status)


def write(
    repo: Repository, files: Mapping[str, str | None], *, before: Mapping[str, str | None] | None = None
) -> tuple[str, ...]:
    """Write all files or none, as a transaction, and return the changed paths.

    `before` holds texts that were read: if a file has changed since, ToolError is raised and nothing is written.
    """
    state = written_state(repo, files)
    changed = transaction.write(repo.root, {**files, **state}, before=before)
    return tuple(path for path in changed if path not in state)


def require_same_services(repo: Repository) -> None:
    """Raises ToolError for a service that was added since the descriptions were read: what is written would lack it."""
    present = [
        paths.description_path(name)
        for name in description_files.service_names(repo.root)
        if name not in repo.broken
    ]
    added = [path for path in present if path not in repo.descriptions]
    if added and repo.descriptions:
        raise ToolError(
            f"{', '.join(added)} was added while this command ran; nothing was written, run the command again"
        )


def recover(root: Path) -> str | None:
    """Finish or roll back an interrupted transaction and return a message, None if there was none."""
    if not transaction.pending(root):
        return None
    with exclusive(root):
        return transaction.recover(root)


def write_with_outcomes(
    repo: Repository, files: dict[str, str | None], *, overwrite: bool = True
) -> tuple[Outcome, ...]:
    """Write all files or none under the repository's lock; an outcome a file: changed or same.

    Raises ToolError where a description is not as the repository was opened with, or another file not as it was read, and,
    without `overwrite`, FindingsError where text that was edited by hand would be lost.
    """
    with exclusive(repo):
        require_same_services(repo)
        if not overwrite:
            require_unedited(repo, files)
        changed = write(repo, files, before={**repo.inputs, **repo.descriptions})
    return tuple(Outcome(name=path, status="changed" if path in changed else "same") for path in files)


def create_files(repo: Repository, files: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write new files, all or none. Raises ToolError, with nothing written, for one that exists by now."""
    repo.inputs.update(dict.fromkeys(files))
    return write_with_outcomes(repo, {**files})


def create_missing_files(repo: Repository, files: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write those files that do not exist, all or none; one that exists is `same` or, with another text, `kept`."""
    existing = {path: text for path in files if (text := repo.text(path)) is not None}
    missing = {path: text for path, text in files.items() if path not in existing}
    created = {outcome.name: outcome for outcome in create_files(repo, missing)} if missing else {}
    return tuple(
        created.get(path) or Outcome(name=path, status="same" if existing[path] == text else "kept")
        for path, text in files.items()
    )
