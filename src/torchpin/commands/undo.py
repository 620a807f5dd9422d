"""`bump --undo`: the files of the last update as they were before it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.model import Outcome
from torchpin.paths import (
    CHECKS,
    DEVIATIONS,
    GPUS,
    PINNING,
)
from torchpin.records.bump_log import LOG_PATH
from torchpin.workspace import write
from torchpin.workspace.write import exclusive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.workspace.workspace import Repository


UNDO_PATH = ".torchpin/bump.json"  # what the last bump replaced


def undo(repo: Repository) -> tuple[Outcome, ...]:
    """Every file as it was before the last bump. Raises InputError where there is none, or files were edited since."""
    with exclusive(repo, "bumping", patience=0):
        return tuple(Outcome(name=path, status="changed") for path in restore(repo))


def restore(repo: Repository) -> tuple[str, ...]:
    undo_state = read_undo_state(repo)
    if undo_state is None:
        raise InputError("There is no bump to undo here: none was made, or it is undone already.")
    before, after = undo_state["before"], undo_state["after"]
    generated = f"{PINNING} {DEVIATIONS} {GPUS} {CHECKS} {LOG_PATH}".split()
    edited = [
        path
        for path in before
        if not (path in generated or path.startswith("records/"))
        if _digest(repo.text(path)) not in {after.get(path), _digest(before[path])}
    ]
    if edited:
        raise InputError(
            f"Edited since the bump: {', '.join(edited)}. Take these edits back first; nothing was changed."
        )
    changed = write.write(repo, {**before, UNDO_PATH: None})
    return tuple(path for path in changed if path != UNDO_PATH)


def read_undo_state(repo: Repository) -> dict[str, dict[str, str | None]] | None:
    text = repo.text(UNDO_PATH)
    return json.loads(text) if text else None


def write_with_undo(
    repo: Repository,
    files: Mapping[str, str | None],
    before: Mapping[str, str | None],
    expected: Mapping[str, str | None],
) -> None:
    """Files, and in the same transaction what undoing them needs: every text as it was, and what it is to be.

    `expected`: what was read of them; where a file holds something else now, nothing is written.
    """
    originals = {path: before[path] if path in before else repo.text(path) for path in {*before, *files}}
    after = {path: _digest(files[path] if path in files else repo.text(path)) for path in originals}
    state = json.dumps({"before": originals, "after": after}, indent=1) + "\n"
    write.write(repo, {**files, UNDO_PATH: state}, before=expected)


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()
