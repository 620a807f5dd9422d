"""`bump --undo`: the files of the last update as they were before it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError
from torchpin.model import Outcome
from torchpin.workspace import writer
from torchpin.workspace.writer import exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.workspace.workspace import Repository


def undo(repo: Repository) -> tuple[Outcome, ...]:
    """Restores every file as it was before the last update. Raises InputError without one, or where files were edited since."""
    with exclusive(repo, "bumping", patience=0):
        return tuple(Outcome(name=path, status="changed") for path in restore(repo))


def restore(repo: Repository) -> tuple[str, ...]:
    """Restores the files and returns the changed paths; for callers that hold the lock of `undo`."""
    undo_state = read_undo_state(repo)
    if undo_state is None:
        raise InputError("no update to undo: none was made here, or it is already undone")
    before, after = undo_state["before"], undo_state["after"]
    generated = (*paths.DOCUMENTS, paths.BUMP_LOG)
    # generated files and records may have been written again since: nothing of people is lost in them
    edited = [
        path
        for path in before
        if not (path in generated or path.startswith(f"{paths.RECORDS}/"))
        if _digest(repo.text(path)) not in {after.get(path), _digest(before[path])}
    ]
    if edited:
        raise InputError(
            f"edited since the update: {', '.join(edited)}; revert these edits first, nothing was changed"
        )
    changed = writer.write(repo, {**before, paths.UNDO: None})
    return tuple(path for path in changed if path != paths.UNDO)


def read_undo_state(repo: Repository) -> dict[str, dict[str, str | None]] | None:
    text = repo.text(paths.UNDO)
    return json.loads(text) if text else None


def write_with_undo(
    repo: Repository,
    files: Mapping[str, str | None],
    before: Mapping[str, str | None],
    expected: Mapping[str, str | None],
) -> None:
    """Writes files, and in the same transaction the state for undoing them: every text as it was, and the digest of the new one.

    `expected`: the texts that were read; where a file has another one now, nothing is written.
    """
    originals = {path: before[path] if path in before else repo.text(path) for path in {*before, *files}}
    after = {path: _digest(files[path] if path in files else repo.text(path)) for path in originals}
    state = json.dumps({"before": originals, "after": after}, indent=1) + "\n"
    writer.write(repo, {**files, paths.UNDO: state}, before=expected)


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()
