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
from torchpin.records.bump_log import LOG
from torchpin.workspace import write
from torchpin.workspace.write import alone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.workspace.workspace import Repository


UNDO = ".torchpin/bump.json"  # what the last bump replaced


def undo(repo: Repository) -> tuple[Outcome, ...]:
    """Every file as it was before the last bump. Raises InputError where there is none, or files were edited since."""
    with alone(repo, "bumping", patience=0):
        return tuple(Outcome(name=path, status="changed") for path in restore(repo))


def restore(repo: Repository) -> tuple[str, ...]:
    held = undo_record(repo)
    if held is None:
        raise InputError("There is no bump to undo here: none was made, or it is undone already.")
    before, after = held["before"], held["after"]
    own = f"{PINNING} {DEVIATIONS} {GPUS} {CHECKS} {LOG}".split()
    edited = [
        path
        for path in before
        if not (path in own or path.startswith("records/"))
        if _digest(repo.text(path)) not in {after.get(path), _digest(before[path])}
    ]
    if edited:
        raise InputError(
            f"Edited since the bump: {', '.join(edited)}. Take these edits back first; nothing was changed."
        )
    changed = write.write(repo, {**before, UNDO: None})
    return tuple(path for path in changed if path != UNDO)


def undo_record(repo: Repository) -> dict[str, dict[str, str | None]] | None:
    text = repo.text(UNDO)
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
    seen = {path: before[path] if path in before else repo.text(path) for path in {*before, *files}}
    after = {path: _digest(files[path] if path in files else repo.text(path)) for path in seen}
    state = json.dumps({"before": seen, "after": after}, indent=1) + "\n"
    write.write(repo, {**files, UNDO: state}, before=expected)


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()
