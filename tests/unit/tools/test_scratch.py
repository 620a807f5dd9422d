"""Temporary folders that name their owner: what counts as abandoned, and what is left alone."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from torchpin.errors import ToolError
from torchpin.tools import scratch
from torchpin.tools.scratch import DEAD_AFTER, UNSEEN_AFTER, Owner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="owners are read from /proc")  # noqa: PTH112
NO_PROCESS = 2**22 + 1  # above what Linux gives


def owner_of_age(seconds: float, **changes: object) -> Owner:
    """This process as an owner of something so old, changed."""
    created = int((time.time() - seconds) * 1000)
    return replace(scratch.current_owner(), created=created, **changes)  # type: ignore[arg-type]


def plant_folder(parent: Path, owner: Owner, name: str = "torchpin-lab-abcd1234") -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / scratch.MARKER).write_text(str(owner))
    (folder / "file").write_text("1\n")
    return folder


DEAD = owner_of_age(DEAD_AFTER + 5, pid=NO_PROCESS)


def test_an_owner_is_read_from_its_name() -> None:
    owner = scratch.current_owner()
    assert scratch.parse_owner(str(owner)) == owner
    assert owner.pid == os.getpid()
    assert owner.started > 0
    for text in (
        "",
        "31315-654483730",
        f"{owner}-1",
        str(owner).replace("-", "_"),
        f" {owner}",
        f"{owner}\n",
    ):
        assert scratch.parse_owner(text) is None


@pytest.mark.parametrize(
    ("seconds", "changes", "expected"),
    [
        (10**8, {}, False),
        (DEAD_AFTER + 5, {"pid": NO_PROCESS}, True),
        (DEAD_AFTER - 50, {"pid": NO_PROCESS}, False),
        (DEAD_AFTER + 5, {"started": 1}, True),
        (DEAD_AFTER - 50, {"started": 1}, False),
        (DEAD_AFTER + 5, {"namespace": 1}, False),
        (UNSEEN_AFTER + 5, {"namespace": 1}, True),
        (DEAD_AFTER + 5, {"boot": "0" * 8, "machine": "0" * 8}, False),
        (UNSEEN_AFTER + 5, {"boot": "0" * 8, "machine": "0" * 8}, True),
    ],
    ids=[
        "it runs",
        "it ended",
        "it ended just now",
        "its number is another process",
        "its number is another process, just now",
        "it is in a container",
        "it was in a container a day ago",
        "it is on another machine",
        "it was on another machine a day ago",
    ],
)
def test_whether_an_owner_is_gone(seconds: float, changes: dict[str, object], expected: bool) -> None:
    assert scratch.is_abandoned(owner_of_age(seconds, **changes)) == expected


def test_after_a_power_loss_the_owner_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine booted again: whoever has the number now is somebody else. A machine without an id is none."""
    monkeypatch.setattr(scratch, "_digest", lambda path: "ab" * 4 if path.name == "machine-id" else "cd" * 4)
    assert scratch.is_abandoned(owner_of_age(DEAD_AFTER + 5, boot="0" * 8))
    monkeypatch.setattr(scratch, "_digest", lambda path: "cd" * 4 if path.name == "boot_id" else "ab" * 4)
    assert not scratch.is_abandoned(owner_of_age(DEAD_AFTER + 5, boot="0" * 8))
    assert scratch.is_abandoned(owner_of_age(UNSEEN_AFTER + 5, boot="0" * 8))


def test_a_folder_of_a_process_that_is_gone_is_abandoned_and_removed(tmp_path: Path) -> None:
    folder = plant_folder(tmp_path, DEAD)
    (folder / "deep" / "er").mkdir(parents=True)
    assert [*scratch.abandoned_folders(tmp_path)] == [folder]
    scratch.remove_abandoned(folder)
    assert [*tmp_path.iterdir()] == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine\n")
    folder = plant_folder(tmp_path, DEAD)
    (folder / "link").symlink_to(tmp_path / "mine")
    (folder / "deep").mkdir()
    (folder / "deep" / "link").symlink_to(tmp_path / "mine")
    scratch.remove_abandoned(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "file").read_text() == "mine\n"


def test_what_only_looks_like_one_is_left_alone(tmp_path: Path) -> None:
    """No marker, another name, a marker that is a link or a pipe or says something else, a link to a folder, a file."""
    (tmp_path / "torchpin-lab-nomarker").mkdir()
    (tmp_path / "torchpin-lab-12345678").mkdir()
    plant_folder(tmp_path, DEAD, "torchpin-mine")
    plant_folder(tmp_path, DEAD, "my-torchpin-lab-12345678")
    target = plant_folder(tmp_path, DEAD, "elsewhere")
    (tmp_path / "torchpin-lab-linked00").symlink_to(target)
    for name, text in {"torchpin-lab-othertxt": "x", "torchpin-lab-2longtxt": f"{DEAD}{'0' * 300}"}.items():
        (plant_folder(tmp_path, DEAD, name) / scratch.MARKER).write_text(text)
    for name in ("torchpin-lab-marklink", "torchpin-lab-markpipe"):
        (plant_folder(tmp_path, DEAD, name) / scratch.MARKER).unlink()
    (tmp_path / "torchpin-lab-marklink" / scratch.MARKER).symlink_to(target / scratch.MARKER)
    os.mkfifo(tmp_path / "torchpin-lab-markpipe" / scratch.MARKER)
    (tmp_path / "torchpin-lab-plainfil").write_text("mine\n")
    assert [*scratch.abandoned_folders(tmp_path)] == []


def test_another_users_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plant_folder(tmp_path, DEAD)
    user = os.geteuid()
    monkeypatch.setattr(scratch, "_user", lambda: user + 1)
    assert scratch.read_owner(folder) is None
    assert [*scratch.abandoned_folders(tmp_path)] == []


def test_a_folder_that_a_process_works_in_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plant_folder(tmp_path, DEAD)
    monkeypatch.chdir(folder)
    assert [*scratch.abandoned_folders(tmp_path)] == []
    monkeypatch.chdir(tmp_path)
    assert [*scratch.abandoned_folders(tmp_path)] == [folder]


def test_a_folder_of_a_running_command_is_marked_and_goes_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch.temporary_folder("lab") as folder:
        owner = scratch.read_owner(folder)
        assert owner is not None
        assert owner.pid == os.getpid()
        assert folder.name.startswith("torchpin-lab-")
    with scratch.temporary_folder() as other:
        assert scratch.read_owner(other)
    assert [*tmp_path.iterdir()] == []


def test_a_command_clears_what_killed_commands_left_but_not_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lab = plant_folder(tmp_path, DEAD)
    plant_folder(tmp_path, DEAD, "torchpin-abcd1234")
    plant_folder(tmp_path, DEAD, "torchpin-base-abcd1234")
    young = plant_folder(tmp_path, owner_of_age(0, pid=NO_PROCESS), "torchpin-abcd5678")
    with scratch.temporary_folder() as folder:
        assert {*tmp_path.iterdir()} == {folder, lab, young}
    assert {*tmp_path.iterdir()} == {lab, young}


@pytest.mark.parametrize("failures", [1, 4])
def test_a_folder_into_which_something_still_writes_is_removed_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_REMOVAL_PAUSE", 0)
    left, real_cleanup = [failures], tempfile.TemporaryDirectory.cleanup

    def cleanup(directory: tempfile.TemporaryDirectory[str]) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), directory.name)
        real_cleanup(directory)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", cleanup)
    with scratch.temporary_folder() as folder:
        assert folder.is_dir()
    assert [*tmp_path.iterdir()] == []


def test_a_kept_folder_stays_and_nothing_clears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "DEAD_AFTER", 0)
    with scratch.kept_folder("lab") as folder:
        assert scratch.read_owner(folder) is not None
    assert folder.is_dir()
    assert scratch.read_owner(folder) is None
    assert [*scratch.abandoned_folders()] == []


@pytest.mark.parametrize(("error", "stays"), [(ToolError, True), (KeyboardInterrupt, False)])
def test_a_kept_folder_goes_where_it_is_interrupted(
    error: type[BaseException], stays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(error), scratch.kept_folder("lab") as folder:
        raise error("no")
    assert folder.exists() == stays
    assert not (folder / scratch.MARKER).exists()
