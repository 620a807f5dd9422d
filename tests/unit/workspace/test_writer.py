"""Writes to the repository: the lock of one writer, and outcomes."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.errors import ToolError, os_error_reason
from torchpin.model import Settings
from torchpin.workspace import writer
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from collections.abc import Callable


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


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


def test_a_file_that_was_created_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ToolError, match=r"^taken changed while this command ran; nothing was written, run"):
        writer.create_files(repo, {"new": "1", "taken": "2"})
    assert (tmp_path / "taken").read_text() == "mine"
    assert not (tmp_path / "new").exists()
    writer.create_files(replace(repo), {"new": "1"})
    assert (tmp_path / "new").read_text() == "1"


def test_without_a_transaction_nothing_is_recovered(tmp_path: Path) -> None:
    assert writer.recover(tmp_path) is None


@pytest.mark.parametrize(
    ("path", "make", "advice"),
    [
        (".torchpin", Path.touch, "File exists; a folder of this name is needed; move what is there away"),
        (
            ".torchpin/writing.lock",
            Path.mkdir,
            "Is a directory; a file of this name is needed; move the folder away",
        ),
        (".torchpin/writing.lock", link_to_nothing, "a link cannot be written through; remove it"),
    ],
)
def test_what_is_in_the_way_of_the_lock_is_named_with_what_to_do(
    tmp_path: Path, path: str, make: Callable[[Path], None], advice: str
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    make(tmp_path / path)
    with pytest.raises(OSError) as excinfo, writer.exclusive(tmp_path):  # noqa: PT011 - the reason is what is tested
        pytest.fail("nothing was in the way")
    reason = os_error_reason(excinfo.value)
    assert reason.startswith(f"{tmp_path / path}: ")
    assert reason.endswith(f"{advice}, then try again")


def test_another_error_of_the_system_keeps_its_own_words() -> None:
    assert os_error_reason(PermissionError(13, "Permission denied", "x")) == "x: Permission denied"
    assert os_error_reason(OSError(errno.EEXIST, "File exists")) == "this machine: File exists"
