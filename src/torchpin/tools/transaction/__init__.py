"""Many files of a repository written as one: however a command ends, they are exactly before or exactly after.

Everything is staged in .torchpin/transaction first: what is meant (the intent), the new contents, and a trial of each
place. The intent's new name, the journal, is the point of commit: before it no file of the tree is touched, and whoever
comes next clears up; after it there are only renames and deletes, and whoever comes next finishes them.

Callers hold the repository's lock. What somebody edits between the last look at a file and its rename, a moment later,
is lost.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools.transaction import disk
from torchpin.tools.transaction.journal import (
    FOLDER,
    INTENT,
    JOURNAL,
    Journal,
    Row,
    join_names,
    parent_folders,
    read_journal,
    serialize,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TRIAL = "trial"


def write(
    root: Path,
    files: Mapping[str, str | None],
    *,
    before: Mapping[str, str | None] | None = None,
) -> tuple[str, ...]:
    """All files or none: paths in the repository to their texts, None removes one. Answers the paths that changed.

    `before` holds what the caller read, of these files or others: where one has changed since, nothing is written.
    A file keeps its mode; a folder that loses its last file goes with it. Raises ToolError, which says whether anything
    was written.
    """
    expected = {path: disk.digest(content) for path, content in _encode_contents(before or {}).items()}
    return _write_contents(root, _encode_contents(files), expected)


def pending(root: Path) -> bool:
    """Whether a transaction runs, or was stopped and is to be recovered under the lock."""
    return (root / FOLDER).is_dir()


def recover(root: Path) -> str | None:
    """Finishes or clears up what a stopped command left, under the lock; a sentence for people, None for nothing."""
    try:
        return _recover_transaction(root)
    except OSError as error:
        raise ToolError(
            f"{disk.error_reason(error, FOLDER)}. An earlier command was stopped while it wrote, and this must be possible to "
            f"finish its work: then try again; or remove {FOLDER} to leave all files as they are now."
        ) from None


def _encode_contents(texts: Mapping[str, str | None]) -> dict[str, bytes | None]:
    return {path: None if content is None else content.encode() for path, content in texts.items()}


# --- forward ---------------------------------------------------------------------------------------------------------


def _write_contents(
    root: Path,
    contents: Mapping[str, bytes | None],
    expected: Mapping[str, str | None],
) -> tuple[str, ...]:
    _expect_finished(root)
    journal = _plan_journal(root, contents)
    seen = {row.path: row.before for row in journal.rows} | dict(expected)
    if not journal.rows:
        _expect_unchanged(root, seen)
        return ()
    disk.expect_plain(root, journal.paths)
    try:
        _prepare(root, journal, contents)
        _expect_unchanged(root, seen)
        _commit(root)
        _finish(root, journal)
    except BaseException as error:
        message = _recover_after_failure(root, journal)
        if isinstance(error, OSError):
            raise ToolError(f"{disk.error_reason(error, FOLDER)}. {message}") from None
        raise
    return journal.paths


def _expect_finished(root: Path) -> None:
    """What a stopped command left is recovered; if it was half of something, whoever writes now has read half of it."""
    unfinished = (root / FOLDER / JOURNAL).exists()
    message = recover(root)
    if unfinished:
        raise ToolError(
            f"{message} Nothing else was written, since this command may have read half of it: run it again."
        )


def _plan_journal(root: Path, contents: Mapping[str, bytes | None]) -> Journal:
    current_digests, new_digests = (
        disk.digests(root, contents),
        {path: disk.digest(content) for path, content in contents.items()},
    )
    rows = tuple(
        Row(path=path, before=current_digests[path], after=new_digests[path])
        for path in sorted(contents)
        if current_digests[path] != new_digests[path]
    )
    new_paths = tuple(row.path for row in rows if row.after is not None)
    folders = tuple(folder for folder in parent_folders(new_paths) if not (root / folder).exists())
    return Journal(rows=rows, folders=folders, mark=secrets.token_hex(4))


def _expect_unchanged(root: Path, expected: Mapping[str, str | None]) -> None:
    current_digests = disk.digests(root, expected)
    edited = tuple(path for path in expected if current_digests[path] != expected[path])
    if edited:
        raise ToolError(
            f"Changed by somebody else meanwhile: {join_names(edited)}. Nothing was written; run the command again."
        )


def _prepare(root: Path, journal: Journal, contents: Mapping[str, bytes | None]) -> None:
    """Whatever could fail later is done or tried now, and all of it is on the disk at the end."""
    folder = root / FOLDER
    disk.make_folders(root, (*parent_folders((FOLDER,)), FOLDER))
    disk.write_synced(folder / INTENT, serialize(journal))
    disk.sync_folder(folder)
    for number, row in enumerate(journal.rows):
        content = contents[row.path]
        if content is not None:
            with disk.errors_name_path(row.path):
                disk.write_synced(folder / str(number), content, disk.file_mode(root / row.path))
    disk.make_folders(root, journal.folders)
    _try_writes(root, journal)
    disk.sync_folder(folder)


def _try_writes(root: Path, journal: Journal) -> None:
    """Each file can be replaced; each folder takes a rename from where things are staged, has room for the name, and is
    one that can be brought to the disk."""
    for row in journal.rows:
        if row.before is not None:
            with disk.errors_name_path(row.path):
                disk.expect_replaceable(root / row.path, root / FOLDER)
    for path, trial_path in journal.trials.items():
        with disk.errors_name_path(path):
            trial = root / FOLDER / _TRIAL
            trial.touch()
            trial.replace(root / trial_path)
    for path, trial_path in journal.trials.items():
        with disk.errors_name_path(path):
            (root / trial_path).unlink()
    for folder, file in {str(PurePosixPath(path).parent): path for path in journal.paths}.items():
        with disk.errors_name_path(file):
            disk.sync_folder(root / folder)


def _commit(root: Path) -> None:
    (root / FOLDER / INTENT).replace(root / FOLDER / JOURNAL)
    disk.sync_folder(root / FOLDER)


def _finish(root: Path, journal: Journal) -> None:
    """Only renames and deletes; once more does no harm."""
    folder = root / FOLDER
    for number, row in enumerate(journal.rows):
        with disk.errors_name_path(row.path):
            if row.after is None:
                with suppress(NotADirectoryError):
                    (root / row.path).unlink(missing_ok=True)
            elif (folder / str(number)).exists():
                (folder / str(number)).replace(root / row.path)
    for parent in {(root / path).parent for path in journal.paths}:
        if parent.is_dir():
            disk.sync_folder(parent)
    disk.remove_empty_folders(root, parent_folders(journal.removed))
    _clear_folder(root)


def _clear_folder(root: Path) -> None:
    disk.remove_folder(root / FOLDER, last=(root / FOLDER / INTENT, root / FOLDER / JOURNAL))


# --- after a stop ----------------------------------------------------------------------------------------------------


def _recover_after_failure(root: Path, journal: Journal) -> str:
    """After a failure: forward or back, as far as it goes; what has become of the files."""
    later = ""
    try:
        recover(root)
    except ToolError:
        later = "; the next command clears this up"
    try:
        current_digests = disk.digests(root, journal.paths)
        done = all(current_digests[row.path] == row.after for row in journal.rows)
    except ToolError:
        done = False
    if done:
        return f"Every file is written all the same{later}."
    unfinished = (root / FOLDER / JOURNAL).exists()
    return f"{'Not every file is written' if unfinished else 'No file was changed'}{later}."


def _recover_transaction(root: Path) -> str | None:
    folder = root / FOLDER
    disk.expect_plain(root, (FOLDER,))  # what a link leads to is not ours to clear
    journal = read_journal(folder / JOURNAL)
    if journal is not None:
        return _roll_forward(root, journal)
    intent = read_journal(folder / INTENT)
    if intent is None:
        _clear_folder(root)
        return None
    disk.expect_plain(root, (*intent.paths, *intent.folders))
    _roll_back(root, intent)
    return (
        f"An earlier command was stopped before it wrote {join_names(intent.paths)}; "
        "no file was changed, and its leftovers are gone."
    )


def _roll_forward(root: Path, journal: Journal) -> str:
    prefix = f"An earlier command was stopped while it wrote {join_names(journal.paths)}"
    disk.expect_plain(root, (*journal.paths, *journal.folders))
    current_digests = disk.digests(root, journal.paths)
    unfinishable = tuple(
        row.path
        for number, row in enumerate(journal.rows)
        if not _finishable(root, number, row, current_digests[row.path])
    )
    if not unfinishable:
        disk.make_folders(root, journal.folders)
        _finish(root, journal)
        return f"{prefix}; every one of them is written now."
    if all(current_digests[row.path] == row.before for row in journal.rows):
        _roll_back(root, journal)
        return f"{prefix}; since then all of them were put back, so nothing of it is left."
    raise ToolError(
        f"{prefix}, and since then somebody changed {join_names(unfinishable)}. "
        f"Put all of them back, or remove {FOLDER} to leave them as they are now; then try again."
    )


def _finishable(root: Path, number: int, row: Row, current: str | None) -> bool:
    """Whether a file is written, or still can be without the loss of somebody's work."""
    staged = row.after is None or (root / FOLDER / str(number)).exists()
    return current == row.after or (current == row.before and staged)


def _roll_back(root: Path, journal: Journal) -> None:
    for trial_path in journal.trials.values():
        with suppress(NotADirectoryError):
            (root / trial_path).unlink(missing_ok=True)
    disk.remove_empty_folders(root, journal.folders)
    _clear_folder(root)
