"""What git knows of a checkout, and of a folder that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.tools.git_checkout import checkout_state, last_change

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


def test_the_last_change_is_that_of_the_commit(work: Path) -> None:
    commit(work, "one")
    (work / "other.py").write_text("later")
    git(work, "add", ".")
    git(work, "-c", "user.name=a", "commit", "-q", "-m", "later", "--date", "2001-01-01T00:00:00Z")
    assert last_change(work, "train.py") == int(git(work, "log", "-1", "--format=%ct", "HEAD~1"))
    assert last_change(work, "missing.py") is None
