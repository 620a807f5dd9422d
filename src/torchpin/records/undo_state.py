"""What undoes an update: what its files held before, and what it has written; it belongs to one update."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError
from torchpin.parsing import parse_json
from torchpin.records import bump_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.records.bump_log import BumpEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class UndoState:
    """`entry`: the update's record, as torchpin last wrote it; its name says whose state this is.

    `before`: by path, the text of each file that the update may write; None where there was none. `after`: the digest of
    what the update last wrote there. `written`: the text of each description that it wrote, from which its edits are told
    from later ones.
    """

    entry: BumpEntry
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]
    written: Mapping[str, str] = field(default_factory=dict)

    def is_written(self, path: str) -> bool:
        """Whether the update has changed a file."""
        return self.after[path] != text_digest(self.before[path])


def text_digest(text: str | None) -> str | None:
    """The SHA-256 of a text, in hexadecimal digits; None where there is no text."""
    return None if text is None else sha256(text.encode()).hexdigest()


def render_undo_state(state: UndoState) -> str:
    entry = bump_log.render_entry(state.entry)
    texts = {"before": {**state.before}, "after": {**state.after}, "written": {**state.written}}
    return json.dumps({"entry": entry, **texts}, indent=1) + "\n"


def parse_undo_state(name: str, text: str) -> UndoState:
    """The state of the update of that name. Raises InputError for a damaged one."""
    try:
        document = parse_json(text)
        before, after = document["before"], document["after"]
        entry = bump_log.parse_entry(paths.bump_path(name), document["entry"])
        written = document.get("written", {})  # older versions kept none
        texts = [text for text in (*before.values(), *after.values(), *written.values()) if text is not None]
        paths_and_texts = "".join([*after, *texts])
        paths_and_texts.encode()  # raises ValueError for half of a surrogate pair
        is_whole = {*written} <= {*before} <= {*after} and "\0" not in "".join(after)
    except (ValueError, KeyError, TypeError, AttributeError, InputError):
        is_whole = False
    if not is_whole:
        raise InputError(
            f"{paths.undo_path(name)} is damaged, or of another version of torchpin; restore the files with git, then remove it; "
            "nothing was changed"
        )
    return UndoState(entry=entry, before=before, after=after, written=written)
