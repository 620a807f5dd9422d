"""The state of an update that can be undone, where its file is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from torchpin.commands.undo import read_undo_state
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True)
class Files:
    """A repository, all of whose files have one text."""

    content: str

    def text(self, path: str) -> str:
        return self.content


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "[]", "5", '{"before": 5, "after": {}}', '{"before": {"a": 5}, "after": {}}', "[" * 100_000],
)
def test_a_damaged_state_is_an_error_with_its_file(text: str) -> None:
    with pytest.raises(InputError, match=r"^\.torchpin/bump\.json is damaged; restore the files with git"):
        read_undo_state(cast("Repository", Files(text)))


def test_without_a_state_there_is_none() -> None:
    assert read_undo_state(cast("Repository", Files(""))) is None
