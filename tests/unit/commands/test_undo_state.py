"""The state of an update that can be undone, where its file is damaged."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import pytest

from support.bumps import ENTRY
from torchpin import paths
from torchpin.commands.undo import read_undo_state
from torchpin.errors import InputError
from torchpin.records import bump_log
from torchpin.records.undo_state import UndoState, render_undo_state, text_digest

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True)
class Files:
    """A repository, all of whose files have one text."""

    content: str

    def text(self, path: str) -> str:
        return self.content


STATE = UndoState(
    entry=ENTRY, before={"a": "x", "b": None}, after={"a": text_digest("y"), "b": None}, written={"a": "y"}
)


def read_state(text: str) -> UndoState | None:
    return read_undo_state(cast("Repository", Files(text)), ENTRY)


def test_a_state_is_read_as_it_was_written() -> None:
    assert read_state(render_undo_state(STATE)) == STATE
    assert (STATE.is_written("a"), STATE.is_written("b")) == (True, False)


@pytest.mark.parametrize("text", ["{", "{}", "[]", "5", "[" * 100_000])
def test_a_damaged_state_is_an_error_with_its_file(text: str) -> None:
    with pytest.raises(
        InputError, match=rf"^{paths.undo_path(ENTRY.name)} is damaged, or of another version of"
    ):
        read_state(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("before", 5),
        ("before", {"a": 5}),
        ("before", {"c": "x"}),
        ("before", {"a": "x\ud800"}),
        ("before", {"a\0": "x"}),
        ("after", {"a": None, "a\0": None, "b": None, "c\ud800": None}),
        ("after", None),
        ("after", {"a": 5, "b": None}),
        ("written", {"a": 5}),
        ("written", {"c": "x"}),
        ("entry", ["torch==2.7.1", "2026-11-24T12:00:00Z"]),  # as it was once
        ("entry", ""),
        ("entry", "- 5"),
        ("entry", bump_log.render_former_log([ENTRY])),  # as it was later
    ],
)
def test_a_state_with_a_wrong_value_is_damaged(key: str, value: object) -> None:
    state = json.loads(render_undo_state(STATE))
    with pytest.raises(
        InputError, match=rf"^{paths.undo_path(ENTRY.name)} is damaged, or of another version of"
    ):
        read_state(json.dumps({**state, key: value}))


def test_a_state_of_an_older_version_has_no_written_texts() -> None:
    state = json.loads(render_undo_state(STATE))
    del state["written"]
    assert read_state(json.dumps(state)) == replace(STATE, written={})


def test_without_a_state_there_is_none() -> None:
    assert read_state("") is None
