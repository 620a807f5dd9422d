"""The journal of a transaction: the files that it changes, as JSON on the disk."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.tools.transaction.disk import read_content

if TYPE_CHECKING:
    from pathlib import Path

INTENT, JOURNAL = "intent.json", "journal.json"
_MOST_NAMES = 5  # files that a message names


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalRow:
    """One file with the SHA-256 of its content before and after; None where it does not exist."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """The changes of a transaction; the new content of row 3 is staged as the file `3`."""

    rows: tuple[JournalRow, ...]
    folders: tuple[str, ...]  # created for new files, the outermost first
    mark: str  # random, in the names of trial files, so that they are no one else's

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(row.path for row in self.rows)

    @property
    def trials(self) -> dict[str, str]:
        """For each path, the path of its trial file in the same folder."""
        return {
            path: str(PurePosixPath(path).with_name(f".torchpin-{self.mark}-{number}"))
            for number, path in enumerate(self.paths)
        }

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(row.path for row in self.rows if row.after is None)


def parent_folders(paths: tuple[str, ...]) -> tuple[str, ...]:
    """All parent folders of paths, the outermost first."""
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents if folder.parts}
    return tuple(sorted(folders))


def serialize(journal: Journal) -> bytes:
    return (json.dumps(asdict(journal), indent=1) + "\n").encode()


def read_journal(path: Path) -> Journal | None:
    """A journal or an intent; None if it does not exist, and for an intent that was not written completely.

    Raises ToolError for a damaged journal.
    """
    data = read_content(path)
    if data is None:
        return None
    with suppress(ValueError, TypeError, KeyError):
        document = parse_json(data)
        rows = tuple(JournalRow(**row) for row in document["rows"])
        journal = Journal(**{**document, "rows": rows, "folders": tuple(document["folders"])})
        names = (journal.mark, *journal.folders, *journal.paths)
        digests = (digest for row in rows for digest in (row.before, row.after) if digest is not None)
        if all(isinstance(text, str) for text in (*names, *digests)):
            return journal
    if path.name == INTENT:
        return None
    raise ToolError(f"{path} is damaged; check the files with `git status`, then remove {path.parent}")


def join_names(paths: tuple[str, ...]) -> str:
    """At most five paths, and the number of the others."""
    omitted = len(paths) - _MOST_NAMES
    return ", ".join(paths[:_MOST_NAMES]) + (f" and {omitted} more" if omitted > 0 else "")
