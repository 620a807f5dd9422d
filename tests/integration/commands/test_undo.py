"""Undoing where git has the update, or what another checkout wrote of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY
from support.git_repositories import git
from support.updates import copy_repository, tree, update_lora
from torchpin import paths
from torchpin.commands import generate, undo
from torchpin.errors import InputError
from torchpin.records import bump_log

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.workspace.workspace import Repository

RECORD = paths.freeze_path("lora-gpu")


@pytest.fixture
def updated(tmp_path: Path) -> Repository:
    """An update of lora on the branch `update`, which `main` does not have."""
    repo = copy_repository(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "config", "user.name", "somebody")
    git(tmp_path, "config", "user.email", "a@localhost")
    (tmp_path / ".gitignore").write_text("/.torchpin/\n")
    commit(tmp_path)
    git(tmp_path, "checkout", "--quiet", "-b", "update")
    updated = update_lora(repo)
    commit(tmp_path)
    return updated


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "state")


def finish_elsewhere(repo: Repository) -> None:
    """Writes what another checkout records of an image: its record, that of the update, the documents."""
    (repo.root / RECORD).parent.mkdir(parents=True, exist_ok=True)
    (repo.root / RECORD).write_text("torch==2.7.1\n")
    step = bump_log.PolicyStep(state="done", when="later")
    finished = bump_log.with_step(ENTRY, bump_log.BUILD, step)
    (repo.root / ENTRY.file).write_text(bump_log.render_entry(finished))
    generate.write_documents(repo, overwrite=True)


def test_an_update_on_another_branch_is_undone_there(updated: Repository) -> None:
    before = tree(updated.root)
    git(updated.root, "checkout", "--quiet", "main")
    with pytest.raises(InputError, match=r"^the update torch==2\.7\.1 is not in these files: "):
        undo.undo(updated)
    assert git(updated.root, "status", "--porcelain") == ""
    git(updated.root, "checkout", "--quiet", "update")
    assert tree(updated.root) == before
    undo.undo(updated)
    assert git(updated.root, "diff", "main") == ""


def test_an_update_in_a_stash_can_be_undone_when_it_is_back(updated: Repository) -> None:
    git(updated.root, "reset", "--quiet", "main")
    git(updated.root, "stash", "--quiet", "--include-untracked")
    with pytest.raises(InputError, match=r"^the update torch==2\.7\.1 is not in these files: "):
        undo.undo(updated)
    git(updated.root, "stash", "pop", "--quiet")
    undo.undo(updated)
    assert git(updated.root, "status", "--porcelain") == ""


def test_an_update_that_was_finished_elsewhere_is_undone_once_git_has_it(updated: Repository) -> None:
    finish_elsewhere(updated)
    with pytest.raises(
        InputError, match=rf"^edited since the update: .*{ENTRY.file}:\d+; set these edits aside"
    ):
        undo.undo(updated)
    commit(updated.root)
    undo.undo(updated)
    assert git(updated.root, "diff", "main") == ""
    assert not (updated.root / RECORD).exists()
