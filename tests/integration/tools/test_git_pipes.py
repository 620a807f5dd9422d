"""git waits for a pipe in the place of its own files; torchpin does not wait for git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.tools import git_checkout

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_in_the_place_of_git_s_files_ends_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "-m", "a")
    monkeypatch.setattr(git_checkout, "SLOWEST_COMPARISON", 2)
    assert git_checkout.uncommitted_paths(tmp_path, ["a"]) == ()
    (tmp_path / "a").write_text("b")
    os.mkfifo(tmp_path / ".gitattributes")
    os.mkfifo(tmp_path / ".gitignore")
    with pytest.raises(ToolError, match="cannot be read by git"):
        git_checkout.uncommitted_paths(tmp_path, ["a"])
    with pytest.raises(ToolError, match="cannot be read by git"):
        git_checkout.is_unchanged_since(tmp_path, "HEAD", tmp_path)
