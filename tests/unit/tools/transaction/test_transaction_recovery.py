"""What a later command does about a write that was stopped."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.transactions import AFTER, BEFORE, CHANGES, LONG, Killed, idle, read_tree, texts, tree
from torchpin.errors import ToolError
from torchpin.paths import TRANSACTION
from torchpin.tools import transaction
from torchpin.tools.transaction.journal import INTENT, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Mapping


def stop_write(root: Path, changes: Mapping[str, str | None], *, done: int, name: str = "replace") -> None:
    """Killed when a method of paths is called once more after it was `done` times."""
    calls, original = [0], getattr(Path, name)

    def counts(path: Path, *arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] > done:
            raise Killed
        return original(path, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(Path, name, counts)
        patch.setattr("torchpin.tools.transaction._recover_after_failure", lambda *_: "")
        transaction.write(root, changes)
    assert transaction.pending(root)


TRIAL_RENAMES = len(CHANGES)
RENAMES_TO_COMMIT = TRIAL_RENAMES + 1  # with the rename of the intent


@pytest.mark.parametrize("renames", range(len(CHANGES) - 1))
def test_a_committed_write_is_finished(root: Path, renames: int) -> None:
    """None, one or two files were renamed: the others follow, and the message names all."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + renames)
    assert (root / TRANSACTION / JOURNAL).is_file()
    message = transaction.recover(root)
    assert message == (
        "an earlier command was interrupted while it wrote README.md, records/2026/first.json, services/a/lock.json, "
        "services/b/only.txt; all of them are written now"
    )
    assert texts(root) == AFTER
    assert idle(root)
    assert transaction.recover(root) is None


@pytest.mark.parametrize("done", range(RENAMES_TO_COMMIT))
def test_a_write_that_was_not_committed_is_cleared(root: Path, done: int) -> None:
    """Whatever was staged or tried is gone, the new folders as well."""
    before = tree(root)
    stop_write(root, CHANGES, done=done)
    assert (root / TRANSACTION / INTENT).is_file()
    message = transaction.recover(root)
    assert message is not None
    assert "interrupted before it wrote README.md, " in message
    assert "no file was changed" in message
    assert tree(root) == before
    assert idle(root)


def test_new_folders_that_somebody_removed_meanwhile_are_made_again(root: Path) -> None:
    """Committed, stopped, then tidied up: git knows no empty folders, so they do not count as edited."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT)
    shutil.rmtree(root / "records")
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == AFTER


def test_the_next_write_finishes_first_and_writes_nothing_of_its_own(root: Path) -> None:
    """It may have read a part of the earlier write: it fails with a message, and works the second time."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    with pytest.raises(
        ToolError, match=r"all of them are written now; nothing else was written.*run it again"
    ):
        transaction.write(root, {"kept.txt": "mine\n"})
    assert texts(root) == AFTER
    assert transaction.write(root, {"kept.txt": "mine\n"}) == ("kept.txt",)


def test_the_next_write_clears_what_was_not_committed_and_goes_on(root: Path) -> None:
    """No file was changed by the earlier one, so what this one read holds."""
    stop_write(root, CHANGES, done=TRIAL_RENAMES)
    assert transaction.write(root, {"kept.txt": "mine\n"}) == ("kept.txt",)
    assert texts(root) == {**BEFORE, "kept.txt": "mine\n"}
    assert not (root / "records").exists()
    assert idle(root)


def test_files_that_somebody_edited_meanwhile_are_named_and_stay(root: Path) -> None:
    """Committed, stopped, then edited: nothing is written, until they are restored or the folder is removed."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    (root / "services/a/lock.json").write_text("theirs\n")
    before = read_tree(root)
    for _ in range(2):
        with pytest.raises(
            ToolError, match=r"services/a/lock.json changed since; restore all of them, or remove"
        ):
            transaction.recover(root)
        assert read_tree(root) == before
    (root / "services/a/lock.json").write_text(LONG)
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == AFTER


def test_files_that_were_all_put_back_stay_so(root: Path) -> None:
    """Interrupted, then everything restored by `git checkout`: the write is dropped, and its folders are removed."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 2)
    (root / "README.md").write_text(BEFORE["README.md"])
    (root / "records/2026/first.json").unlink()
    assert "all of them were restored since" in str(transaction.recover(root))
    assert texts(root) == BEFORE
    assert not (root / "records").exists()
    assert idle(root)


def test_a_removed_file_whose_folder_became_a_file_is_removed(root: Path) -> None:
    """There is nothing to delete where its folder is gone, and the recovery does not stumble over that."""
    stop_write(root, CHANGES, done=0, name="rmdir")
    (root / "services/b").rmdir()
    (root / "services/b").write_text("theirs\n")
    assert "written now" in str(transaction.recover(root))
    assert texts(root) == {**AFTER, "services/b": "theirs\n"}


def test_a_link_put_into_the_way_of_a_recovery_is_refused(root: Path, tmp_path: Path) -> None:
    """A recovery writes nothing through symbolic links."""
    stop_write(root, CHANGES, done=RENAMES_TO_COMMIT + 1)
    (root / "services/a").rename(tmp_path / "away")
    (root / "services/a").symlink_to(tmp_path / "away")
    with pytest.raises(ToolError, match=r"^services/a is a symbolic link"):
        transaction.recover(root)
    assert (tmp_path / "away/lock.json").read_text() == LONG


VALID_JOURNAL: dict[str, Any] = {
    "rows": [{"path": "kept.txt", "before": None, "after": "00"}],
    "folders": [],
    "mark": "ab",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "\udcff",
        json.dumps({**VALID_JOURNAL, "more": 1}),
        json.dumps({**VALID_JOURNAL, "mark": 1}),
        json.dumps({**VALID_JOURNAL, "folders": [1]}),
        json.dumps({**VALID_JOURNAL, "rows": [{"path": 1, "before": None, "after": None}]}),
        json.dumps({**VALID_JOURNAL, "rows": [{"path": "kept.txt"}]}),
        json.dumps({"rows": []}),
    ],
)
def test_a_damaged_journal_is_said_and_a_damaged_intent_cleared(root: Path, text: str) -> None:
    """A journal may mean partial writes, so it is reported; before the commit no file was changed, so an intent is removed."""
    (root / TRANSACTION).mkdir(parents=True)
    (root / TRANSACTION / JOURNAL).write_bytes(text.encode(errors="surrogateescape"))
    before = read_tree(root)
    for operation in (lambda: transaction.recover(root), lambda: transaction.write(root, CHANGES)):
        with pytest.raises(
            ToolError, match=r"journal.json is damaged; check the files with `git status`, then rem"
        ):
            operation()
    assert read_tree(root) == before
    (root / TRANSACTION / JOURNAL).rename(root / TRANSACTION / INTENT)
    assert transaction.recover(root) is None
    assert texts(root) == BEFORE
    assert idle(root)


@pytest.mark.parametrize("name", [INTENT, JOURNAL])
@pytest.mark.parametrize("path", ["../away/x.txt", "", ".git/config"])
def test_a_journal_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path, name: str, path: str) -> None:
    """For example from a malicious commit: nothing outside the repository is written or deleted."""
    (tmp_path / "away").mkdir()
    (root / TRANSACTION).mkdir(parents=True)
    rows = [{"path": path, "before": None, "after": None}]
    (root / TRANSACTION / name).write_text(
        json.dumps({**VALID_JOURNAL, "rows": rows, "folders": ["../away"]})
    )
    with pytest.raises(ToolError, match=r"is not a path for a file|is a folder"):
        transaction.recover(root)
    assert (tmp_path / "away").is_dir()


def test_nothing_to_recover_is_nothing(root: Path) -> None:
    """Without a stopped command, and with no more than its empty folder."""
    assert not transaction.pending(root)
    assert transaction.recover(root) is None
    (root / TRANSACTION).mkdir(parents=True)
    assert transaction.pending(root)
    assert transaction.recover(root) is None
    assert idle(root)
