"""What git knows of a checkout, and of a folder that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.tools.git_checkout import checkout_state, is_in_repository, last_change, uncommitted_paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def commit(folder: Path, text: str) -> str:
    (folder / "train.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", text)
    return git(folder, "rev-parse", "HEAD")


def test_a_checkout_has_an_origin_a_commit_and_says_what_is_not_committed(work: Path) -> None:
    assert checkout_state(work, ["train.py"]) == ("", "")
    revision = commit(work, "one")
    assert checkout_state(work, ["train.py"]) == ("", revision)
    git(work, "remote", "add", "origin", "https://example.org/a")
    (work / "other.py").write_text("not of the image")
    assert checkout_state(work, ["train.py"]) == ("https://example.org/a", revision)
    (work / "train.py").write_text("two")
    assert checkout_state(work, ["train.py"]) == ("https://example.org/a", f"{revision}-dirty")


def test_a_folder_that_is_no_checkout_has_no_state(tmp_path: Path) -> None:
    assert checkout_state(tmp_path, ["a"]) == ("", "")
    assert last_change(tmp_path, "a") is None
    assert uncommitted_paths(tmp_path, ["a"]) == ()
    assert not is_in_repository(tmp_path)


def test_what_the_last_commit_does_not_have_is_told_from_the_folder_that_was_asked(work: Path) -> None:
    (work / "a").write_text("new")
    assert uncommitted_paths(work, ["."]) == ("a",)
    commit(work, "one")
    below = work / "below [x]"
    below.mkdir()
    (below / "a b").write_text("new")
    (work / "train.py").write_text("edited")
    assert uncommitted_paths(below, ["."]) == ("a b",)
    assert uncommitted_paths(work, ["train.py", "below [x]"]) == ("below [x]/a b", "train.py")
    git(work, "add", "--all")
    assert uncommitted_paths(work, ["."]) == ("below [x]/a b", "train.py")
    assert is_in_repository(below)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_what_git_was_told_to_assume_hides_no_edit(work: Path, flag: str) -> None:
    revision = commit(work, "one")
    git(work, "update-index", flag, "train.py")
    assert uncommitted_paths(work, ["train.py"]) == ()
    (work / "train.py").write_text("two")
    assert git(work, "status", "--porcelain") == ""
    assert uncommitted_paths(work, ["train.py"]) == ("train.py",)
    assert checkout_state(work, ["train.py"]) == ("", f"{revision}-dirty")


def test_ignored_files_count_where_they_are_asked_for(work: Path) -> None:
    (work / ".gitignore").write_text("private/\n")
    revision = commit(work, "one")
    (work / "private/sub").mkdir(parents=True)
    (work / "private/sub/a").write_text("mine")
    assert uncommitted_paths(work, ["private"]) == ()
    assert uncommitted_paths(work, ["private"], ignored=True) == ("private/sub/a",)
    assert checkout_state(work, ["."]) == ("", revision)


def test_a_file_that_the_index_has_lost_is_still_committed(work: Path) -> None:
    commit(work, "one")
    git(work, "rm", "--quiet", "--cached", "train.py")
    index = (work / ".git/index").read_bytes()
    assert uncommitted_paths(work, ["."], ignored=True) == ()
    assert (work / ".git/index").read_bytes() == index


def test_the_last_change_is_that_of_the_commit(work: Path) -> None:
    commit(work, "one")
    (work / "other.py").write_text("later")
    git(work, "add", ".")
    git(work, "-c", "user.name=a", "commit", "-q", "-m", "later", "--date", "2001-01-01T00:00:00Z")
    assert last_change(work, "train.py") == int(git(work, "log", "-1", "--format=%ct", "HEAD~1"))
    assert last_change(work, "missing.py") is None
