"""What a transaction means to do, as it lies on the disk."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools.transaction.disk import read_content

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ".torchpin/transaction"
INTENT, JOURNAL = "intent.json", "journal.json"
_MOST_NAMES = 5  # files that a sentence names


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One file: the digests of what it holds before and after; None where there is no file."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """Row 3's new content is staged as the file `3`. `mark` is in the names of trials, so that they are nobody's."""

    rows: tuple[Row, ...]
    folders: tuple[str, ...]  # made for new files, the outermost first
    mark: str

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(row.path for row in self.rows)

    @property
    def trials(self) -> dict[str, str]:
        """For each place, a name beside it."""
        return {
            path: str(PurePosixPath(path).with_name(f".torchpin-{self.mark}-{number}"))
            for number, path in enumerate(self.paths)
        }

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(row.path for row in self.rows if row.after is None)


def parent_folders(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The folders that paths lie in, the outermost first."""
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents if folder.parts}
    return tuple(sorted(folders))


def serialize(journal: Journal) -> bytes:
    return (json.dumps(asdict(journal), indent=1) + "\n").encode()


def read_journal(path: Path) -> Journal | None:
    """A journal or an intent; None where there is none, and for an intent that was not written to its end."""
    data = read_content(path)
    if data is None:
        return None
    with suppress(ValueError, TypeError, KeyError):
        document = json.loads(data)
        rows = tuple(Row(**row) for row in document["rows"])
        journal = Journal(**{**document, "rows": rows, "folders": tuple(document["folders"])})
        if all(isinstance(name, str) for name in (journal.mark, *journal.folders, *journal.paths)):
            return journal
    if path.name == INTENT:
        return None
    raise ToolError(f"{path} is damaged. Look at the files with `git status`, then remove {path.parent}.")


def join_names(paths: tuple[str, ...]) -> str:
    omitted = len(paths) - _MOST_NAMES
    return ", ".join(paths[:_MOST_NAMES]) + (f" and {omitted} more" if omitted > 0 else "")
