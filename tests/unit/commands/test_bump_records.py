"""A log that held all updates once becomes a file an update, at the next writing, and nothing of it is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY, other_entry
from support.updates import ROOT, tree
from torchpin import paths
from torchpin.commands.bump_records import migrate, require_record_unedited
from torchpin.description import read
from torchpin.errors import FindingsError
from torchpin.model import Settings
from torchpin.records import bump_log
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.workspace import Repository, read_descriptions

if TYPE_CHECKING:
    from pathlib import Path

OTHER = other_entry()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    services = read.read_services(read_descriptions(ROOT))
    return Repository(root=tmp_path, services=services, settings=Settings())


def write(repo: Repository, path: str, text: str) -> None:
    (repo.root / path).parent.mkdir(parents=True, exist_ok=True)
    (repo.root / path).write_text(text)


def test_a_repository_without_updates_has_none_and_nothing_is_moved(repo: Repository) -> None:
    assert read_bumps(repo) == ()
    assert migrate(repo) == ()


def test_updates_are_read_from_their_files_and_from_a_former_log(repo: Repository) -> None:
    write(repo, paths.FORMER_BUMP_LOG, bump_log.render_former_log([OTHER]))
    write(repo, ENTRY.file, bump_log.render_entry(ENTRY))
    write(repo, f"{paths.BUMPS}/README.md", "not an update")
    assert [*read_bumps(repo)] == sorted([ENTRY, OTHER], key=lambda entry: entry.name)


def test_a_former_log_becomes_a_file_an_update(repo: Repository) -> None:
    write(repo, paths.FORMER_BUMP_LOG, bump_log.render_former_log([ENTRY, OTHER, OTHER]))
    before = read_bumps(repo)
    assert len(before) == 3
    assert {*migrate(repo)} == {paths.FORMER_BUMP_LOG, *(entry.file for entry in before)}
    assert read_bumps(repo) == before
    assert {*tree(repo.root)} == {entry.file for entry in before}


def test_two_branches_move_the_same_updates_to_the_same_files(repo: Repository) -> None:
    done = bump_log.with_step(ENTRY, bump_log.BUILD, bump_log.PolicyStep(state="done", when="later"))
    for entry in (ENTRY, done):
        write(repo, paths.FORMER_BUMP_LOG, bump_log.render_former_log([entry]))
        migrate(replace(repo))
        assert {*tree(repo.root)} == {ENTRY.file}
    assert read_bumps(repo) == (ENTRY,)  # the file counts, not the log that another branch still had


def test_a_comment_in_a_former_log_is_not_lost(repo: Repository) -> None:
    write(repo, paths.FORMER_BUMP_LOG, f"{bump_log.render_former_log([ENTRY])}# mine\n")
    before = tree(repo.root)
    with pytest.raises(FindingsError, match=r"\nrecords/log\.yaml:\d+: # mine\nhelp: move them elsewhere"):
        migrate(repo)
    assert tree(repo.root) == before
    assert migrate(repo, overwrite=True)
    assert {*tree(repo.root)} == {ENTRY.file}


def test_an_edit_of_a_record_that_is_about_to_be_written_is_named(repo: Repository) -> None:
    text = bump_log.render_entry(ENTRY)
    require_record_unedited(text, ENTRY)
    with pytest.raises(FindingsError, match=rf"\n{ENTRY.file}:\d+: # mine\n"):
        require_record_unedited(f"{text}# mine\n", ENTRY)
