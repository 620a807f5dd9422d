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
from torchpin.tools.transaction.journal import FOLDER, INTENT, JOURNAL, Journal, Row, above, names, read, text

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
    expected = {path: disk.digest(one) for path, one in _bytes(before or {}).items()}
    return _written(root, _bytes(files), expected)


def pending(root: Path) -> bool:
    """Whether a transaction runs, or was stopped and is to be recovered under the lock."""
    return (root / FOLDER).is_dir()


def recover(root: Path) -> str | None:
    """Finishes or clears up what a stopped command left, under the lock; a sentence for people, None for nothing."""
    try:
        return _recovered(root)
    except OSError as error:
        raise ToolError(
            f"{disk.reason(error, FOLDER)}. An earlier command was stopped while it wrote, and this must be possible to "
            f"finish its work: then try again; or remove {FOLDER} to leave all files as they are now."
        ) from None


def _bytes(texts: Mapping[str, str | None]) -> dict[str, bytes | None]:
    return {path: None if one is None else one.encode() for path, one in texts.items()}


# --- forward ---------------------------------------------------------------------------------------------------------


def _written(
    root: Path,
    wanted: Mapping[str, bytes | None],
    expected: Mapping[str, str | None],
) -> tuple[str, ...]:
    _expect_finished(root)
    journal = _meant(root, wanted)
    seen = {row.path: row.before for row in journal.rows} | dict(expected)
    if not journal.rows:
        _expect(root, seen)
        return ()
    disk.expect_plain(root, journal.paths)
    try:
        _prepare(root, journal, wanted)
        _expect(root, seen)
        _commit(root)
        _finish(root, journal)
    except BaseException as error:
        said = _settled(root, journal)
        if isinstance(error, OSError):
            raise ToolError(f"{disk.reason(error, FOLDER)}. {said}") from None
        raise
    return journal.paths


def _expect_finished(root: Path) -> None:
    """What a stopped command left is recovered; if it was half of something, whoever writes now has read half of it."""
    half = (root / FOLDER / JOURNAL).exists()
    said = recover(root)
    if half:
        raise ToolError(
            f"{said} Nothing else was written, since this command may have read half of it: run it again."
        )


def _meant(root: Path, wanted: Mapping[str, bytes | None]) -> Journal:
    now, after = disk.digests(root, wanted), {path: disk.digest(one) for path, one in wanted.items()}
    rows = tuple(
        Row(path=path, before=now[path], after=after[path])
        for path in sorted(wanted)
        if now[path] != after[path]
    )
    new = tuple(row.path for row in rows if row.after is not None)
    folders = tuple(one for one in above(new) if not (root / one).exists())
    return Journal(rows=rows, folders=folders, mark=secrets.token_hex(4))


def _expect(root: Path, expected: Mapping[str, str | None]) -> None:
    now = disk.digests(root, expected)
    edited = tuple(path for path in expected if now[path] != expected[path])
    if edited:
        raise ToolError(
            f"Changed by somebody else meanwhile: {names(edited)}. Nothing was written; run the command again."
        )


def _prepare(root: Path, journal: Journal, wanted: Mapping[str, bytes | None]) -> None:
    """Whatever could fail later is done or tried now, and all of it is on the disk at the end."""
    folder = root / FOLDER
    disk.make(root, (*above((FOLDER,)), FOLDER))
    disk.put(folder / INTENT, text(journal))
    disk.sync(folder)
    for number, row in enumerate(journal.rows):
        new = wanted[row.path]
        if new is not None:
            with disk.named(row.path):
                disk.put(folder / str(number), new, disk.mode(root / row.path))
    disk.make(root, journal.folders)
    _try(root, journal)
    disk.sync(folder)


def _try(root: Path, journal: Journal) -> None:
    """Each file can be replaced; each folder takes a rename from where things are staged, has room for the name, and is
    one that can be brought to the disk."""
    for row in journal.rows:
        if row.before is not None:
            with disk.named(row.path):
                disk.expect_replaceable(root / row.path, root / FOLDER)
    for path, place in journal.trials.items():
        with disk.named(path):
            trial = root / FOLDER / _TRIAL
            trial.touch()
            trial.replace(root / place)
    for path, place in journal.trials.items():
        with disk.named(path):
            (root / place).unlink()
    for path, place in {str(PurePosixPath(one).parent): one for one in journal.paths}.items():
        with disk.named(place):
            disk.sync(root / path)


def _commit(root: Path) -> None:
    (root / FOLDER / INTENT).replace(root / FOLDER / JOURNAL)
    disk.sync(root / FOLDER)


def _finish(root: Path, journal: Journal) -> None:
    """Only renames and deletes; once more does no harm."""
    folder = root / FOLDER
    for number, row in enumerate(journal.rows):
        with disk.named(row.path):
            if row.after is None:
                with suppress(NotADirectoryError):
                    (root / row.path).unlink(missing_ok=True)
            elif (folder / str(number)).exists():
                (folder / str(number)).replace(root / row.path)
    for place in {(root / one).parent for one in journal.paths}:
        if place.is_dir():
            disk.sync(place)
    disk.drop(root, above(journal.removed))
    _clear(root)


def _clear(root: Path) -> None:
    disk.clear(root / FOLDER, last=(root / FOLDER / INTENT, root / FOLDER / JOURNAL))


# --- after a stop ----------------------------------------------------------------------------------------------------


def _settled(root: Path, journal: Journal) -> str:
    """After a failure: forward or back, as far as it goes; what has become of the files."""
    later = ""
    try:
        recover(root)
    except ToolError:
        later = "; the next command clears this up"
    try:
        now = disk.digests(root, journal.paths)
        done = all(now[row.path] == row.after for row in journal.rows)
    except ToolError:
        done = False
    if done:
        return f"Every file is written all the same{later}."
    half = (root / FOLDER / JOURNAL).exists()
    return f"{'Not every file is written' if half else 'No file was changed'}{later}."


def _recovered(root: Path) -> str | None:
    folder = root / FOLDER
    disk.expect_plain(root, (FOLDER,))  # what a link leads to is not ours to clear
    journal = read(folder / JOURNAL)
    if journal is not None:
        return _forward(root, journal)
    intent = read(folder / INTENT)
    if intent is None:
        _clear(root)
        return None
    disk.expect_plain(root, (*intent.paths, *intent.folders))
    _back(root, intent)
    return (
        f"An earlier command was stopped before it wrote {names(intent.paths)}; "
        "no file was changed, and its leftovers are gone."
    )


def _forward(root: Path, journal: Journal) -> str:
    stopped = f"An earlier command was stopped while it wrote {names(journal.paths)}"
    disk.expect_plain(root, (*journal.paths, *journal.folders))
    now = disk.digests(root, journal.paths)
    lost = tuple(
        row.path
        for number, row in enumerate(journal.rows)
        if not _finishable(root, number, row, now[row.path])
    )
    if not lost:
        disk.make(root, journal.folders)
        _finish(root, journal)
        return f"{stopped}; every one of them is written now."
    if all(now[row.path] == row.before for row in journal.rows):
        _back(root, journal)
        return f"{stopped}; since then all of them were put back, so nothing of it is left."
    raise ToolError(
        f"{stopped}, and since then somebody changed {names(lost)}. "
        f"Put all of them back, or remove {FOLDER} to leave them as they are now; then try again."
    )


def _finishable(root: Path, number: int, row: Row, now: str | None) -> bool:
    """Whether a file is written, or still can be without the loss of somebody's work."""
    staged = row.after is None or (root / FOLDER / str(number)).exists()
    return now == row.after or (now == row.before and staged)


def _back(root: Path, journal: Journal) -> None:
    for place in journal.trials.values():
        with suppress(NotADirectoryError):
            (root / place).unlink(missing_ok=True)
    disk.drop(root, journal.folders)
    _clear(root)
