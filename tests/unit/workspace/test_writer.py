"""Writes to the repository: the lock of one writer, and outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.errors import ToolError
from torchpin.model import Settings
from torchpin.workspace import writer
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_writer_fails_after_its_patience(tmp_path: Path) -> None:
    with (
        writer.exclusive(tmp_path),
        pytest.raises(
            ToolError,
            match=r"^another torchpin command is writing in this repository; try again when it has finished$",
        ),
        writer.exclusive(tmp_path, patience=0),
    ):
        pytest.fail("two writers at a time")


def test_activities_have_separate_locks(tmp_path: Path) -> None:
    with writer.exclusive(tmp_path, "writing"), writer.exclusive(tmp_path, "cloning-a", patience=0):
        pass


def test_each_file_has_an_outcome(tmp_path: Path) -> None:
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    (tmp_path / "same").write_text("1")
    outcomes = writer.write_with_outcomes(repo, {"same": "1", "new": "2"})
    assert [(outcome.name, outcome.status) for outcome in outcomes] == [("same", "same"), ("new", "changed")]


def test_without_a_transaction_nothing_is_recovered(tmp_path: Path) -> None:
    assert writer.recover(tmp_path) is None
