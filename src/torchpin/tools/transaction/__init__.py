"""Atomic writes of several files of a repository: however a command ends, all of them are written or none.

The list of changes (the intent) and the new contents are staged in .torchpin/transaction, and a rename to each path is
tried. The rename of the intent to the journal commits: before it no file of the repository is changed, and the next
command removes what was staged; after it only renames and deletes are left, and the next command finishes them.

Callers hold the repository's lock. An edit between the last read of a file and its rename, a moment later, is lost.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.paths import TRANSACTION
from torchpin.tools.transaction import disk
from torchpin.tools.transaction.journal import (
    INTENT,
    JOURNAL,
    Journal,
    JournalRow,
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
    """Write all files or none, path in the repository to text (None removes a file), and return the changed paths.

    `before` holds the texts that the caller read, of these files or others: if one has changed since, nothing is
    written. A file keeps its mode; a folder that loses its last file is removed. Raises ToolError, which says whether
    any file was written.
    """
    expected = {path: disk.digest(content) for path, content in _encode_contents(before or {}).items()}
    try:
        return _write_contents(root, _encode_contents(files), expected)
    except _ChangedError as error:
        edited = tuple(disk.first_change(root, path, (before or {}).get(path)) for path in error.paths)
        raise ToolError(
            f"{join_names(edited)} changed while this command ran; nothing was written, run the command again"
        ) from None


def pending(root: Path) -> bool:
    """Whether a transaction is running, or was interrupted and needs `recover`."""
    return (root / TRANSACTION).is_dir()


def recover(root: Path) -> str | None:
    """Finish or roll back an interrupted transaction and return a message, None if there was none.

    The caller holds the repository's lock. Raises ToolError when neither is possible.
    """
    try:
        return _recover_transaction(root)
    except OSError as error:
        raise ToolError(
            f"{disk.error_reason(error, TRANSACTION)}; an earlier command was interrupted while it wrote files and cannot be "
            f"finished; correct this, then try again, or remove {TRANSACTION} to leave all files as they are"
        ) from None


def _encode_contents(texts: Mapping[str, str | None]) -> dict[str, bytes | None]:
    return {path: None if content is None else content.encode() for path, content in texts.items()}


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
    except BaseException as error:  # also for KeyboardInterrupt
        message = _recover_after_failure(root, journal)
        if isinstance(error, OSError):
            raise ToolError(f"{disk.error_reason(error, TRANSACTION)}; {message}") from None
        raise
    return journal.paths


def _expect_finished(root: Path) -> None:
    """Recover an interrupted transaction. Raises ToolError if it had files to write: the caller read them before that."""
    unfinished = (root / TRANSACTION / JOURNAL).exists()
    message = recover(root)
    if unfinished:
        raise ToolError(
            f"{message}; nothing else was written, since this command read the files before that; run it again"
        )


def _plan_journal(root: Path, contents: Mapping[str, bytes | None]) -> Journal:
    current_digests = disk.digests(root, contents)
    new_digests = {path: disk.digest(content) for path, content in contents.items()}
    rows = tuple(
        JournalRow(path=path, before=current_digests[path], after=new_digests[path])
        for path in sorted(contents)
        if current_digests[path] != new_digests[path]
    )
    new_paths = tuple(row.path for row in rows if row.after is not None)
    folders = tuple(folder for folder in parent_folders(new_paths) if not (root / folder).exists())
    return Journal(rows=rows, folders=folders, mark=secrets.token_hex(4))


class _ChangedError(Exception):
    """Files that are not as they were read."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__()
        self.paths = paths


def _expect_unchanged(root: Path, expected: Mapping[str, str | None]) -> None:
    current_digests = disk.digests(root, expected)
    edited = tuple(path for path in expected if current_digests[path] != expected[path])
    if edited:
        raise _ChangedError(edited)


def _prepare(root: Path, journal: Journal, contents: Mapping[str, bytes | None]) -> None:
    """Stage everything and try all that could fail after the commit; at the end it is synced to the disk."""
    folder = root / TRANSACTION
    disk.make_folders(root, (*parent_folders((TRANSACTION,)), TRANSACTION))
    # first, since a recovery reads from it which trial files and folders to remove
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
    """Raises OSError unless each file can be replaced, and each folder takes a rename from the staging folder, has room
    for the name, and can be synced."""
    for row in journal.rows:
        if row.before is not None:
            with disk.errors_name_path(row.path):
                disk.expect_replaceable(root / row.path, root / TRANSACTION)
    for path, trial_path in journal.trials.items():
        with disk.errors_name_path(path):
            trial = root / TRANSACTION / _TRIAL
            trial.touch()
            trial.replace(root / trial_path)
    for path, trial_path in journal.trials.items():
        with disk.errors_name_path(path):
            (root / trial_path).unlink()
    for folder, file in {str(PurePosixPath(path).parent): path for path in journal.paths}.items():
        with disk.errors_name_path(file):
            disk.sync_folder(root / folder)


def _commit(root: Path) -> None:
    (root / TRANSACTION / INTENT).replace(root / TRANSACTION / JOURNAL)
    disk.sync_folder(root / TRANSACTION)


def _finish(root: Path, journal: Journal) -> None:
    """Rename and delete files as the journal says; can be repeated after an interruption."""
    folder = root / TRANSACTION
    for number, row in enumerate(journal.rows):
        with disk.errors_name_path(row.path):
            if row.after is None:
                with suppress(NotADirectoryError):  # the folder became a file after an interruption
                    (root / row.path).unlink(missing_ok=True)
            elif (folder / str(number)).exists():
                (folder / str(number)).replace(root / row.path)
    for parent in {(root / path).parent for path in journal.paths}:
        if parent.is_dir():
            disk.sync_folder(parent)
    disk.remove_empty_folders(root, parent_folders(journal.removed))
    _clear_folder(root)


def _clear_folder(root: Path) -> None:
    # intent and journal last: without them an interrupted removal would not be recovered
    disk.remove_folder(root / TRANSACTION, last=(root / TRANSACTION / INTENT, root / TRANSACTION / JOURNAL))


def _recover_after_failure(root: Path, journal: Journal) -> str:
    """Finish or roll back after a failure, as far as possible; the message says which files were written."""
    later = ""
    try:
        recover(root)
    except ToolError:
        later = "; the next command recovers this"
    try:
        current_digests = disk.digests(root, journal.paths)
    except ToolError:
        return f"the files cannot be read to see which were written{later}"
    if all(current_digests[row.path] == row.after for row in journal.rows):
        return f"all files were written nevertheless{later}"
    unfinished = (root / TRANSACTION / JOURNAL).exists()
    return f"{'not all files were written' if unfinished else 'no file was changed'}{later}"


def _recover_transaction(root: Path) -> str | None:
    folder = root / TRANSACTION
    disk.expect_plain(root, (TRANSACTION,))  # never clear what a symbolic link points to
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
        f"an earlier command was interrupted before it wrote {join_names(intent.paths)}; "
        "no file was changed, and its temporary files were removed"
    )


def _roll_forward(root: Path, journal: Journal) -> str:
    """Finish a committed transaction; drop it if all files were restored. Raises ToolError if some were edited."""
    prefix = f"an earlier command was interrupted while it wrote {join_names(journal.paths)}"
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
        return f"{prefix}; all of them are written now"
    if all(current_digests[row.path] == row.before for row in journal.rows):
        _roll_back(root, journal)
        return f"{prefix}; all of them were restored since, so nothing of it was kept"
    raise ToolError(
        f"{prefix}, and {join_names(unfinishable)} changed since; "
        f"restore all of them, or remove {TRANSACTION} to leave them as they are, then try again"
    )


def _finishable(root: Path, number: int, row: JournalRow, current: str | None) -> bool:
    """Whether a file is written, or can be written without losing an edit made since."""
    staged = row.after is None or (root / TRANSACTION / str(number)).exists()
    return current == row.after or (current == row.before and staged)


def _roll_back(root: Path, journal: Journal) -> None:
    """Remove what an uncommitted transaction made: trial files, new folders, and the staging folder."""
    for trial_path in journal.trials.values():
        with suppress(NotADirectoryError):
            (root / trial_path).unlink(missing_ok=True)
    disk.remove_empty_folders(root, journal.folders)
    _clear_folder(root)
