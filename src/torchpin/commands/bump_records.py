"""The records of updates, before they are written: what was edited by hand, and the log that held all of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import FindingsError
from torchpin.records import bump_log
from torchpin.workspace import writer
from torchpin.workspace.bumps import migrated_texts
from torchpin.workspace.hand_edits import changed_lines, quote_lines

if TYPE_CHECKING:
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository


def migrate(repo: Repository, *, overwrite: bool = False) -> tuple[str, ...]:
    """Moves the updates of a former log to files of their own, in one transaction, and returns the changed paths.

    Raises FindingsError, without `overwrite`, for lines of the log that are of no update: they would be lost.
    """
    with writer.exclusive(repo):
        files = migrated_texts(repo)
        if not files:
            return ()
        if not overwrite:
            require_former_log_unedited(repo.text(paths.FORMER_BUMP_LOG))
        changed = writer.write(repo, files, before={path: repo.inputs.get(path) for path in files})
        repo.inputs.update(files)
    return changed


def require_former_log_unedited(text: str | None) -> None:
    """Raises FindingsError, with file and line, for a former log that holds more than its updates: a comment would be lost."""
    generated_texts = [bump_log.render_former_log(bump_log.parse_former_log(text))]
    lines = changed_lines(paths.FORMER_BUMP_LOG, text, generated_texts) if text else []
    if lines:
        raise FindingsError(
            "\n".join(
                [
                    f"each update gets a file in {paths.BUMPS}, and these lines are of none; nothing was changed:",
                    *quote_lines(lines),
                    "help: move them elsewhere, or run the command with `--overwrite`",
                ]
            )
        )


def require_record_unedited(text: str | None, entry: BumpEntry) -> None:
    """Raises FindingsError, with file and line, where the file of an update does not hold its `entry` and nothing else.

    It is about to be written: an edit would be lost. `entry` is given as it was last written or read.
    """
    lines = changed_lines(entry.file, text, [bump_log.render_entry(entry)]) if text else []
    if lines:
        raise FindingsError(
            "\n".join(
                [
                    "the record of the update was edited by hand, and these lines would be lost; nothing was changed:",
                    *quote_lines(lines),
                    "help: move them elsewhere, or run the command with `--overwrite`",
                ]
            )
        )
