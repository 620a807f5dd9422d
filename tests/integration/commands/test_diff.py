"""States of a real git repository, and what differs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from support.small_service import DESCRIPTION, LOCK, open_repository, write_service
from torchpin.commands import diff
from torchpin.errors import InputError
from torchpin.queries.diff import diff_rows, summary_line

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_tools")


def package_changes(root: Path, *revisions: str) -> list[tuple[str, str, str]]:
    return [
        (move.name, move.before, move.after)
        for difference in diff.compare_states(open_repository(root), *revisions)
        for move in (*difference.baseline, *difference.packages)
    ]


@pytest.mark.parametrize("revisions", [("HEAD~1",), ("v0.1", "v0.2"), ("v0.1", "main"), ("main~1", ".")])
def test_two_revisions_differ_by_what_was_committed(root: Path, revisions: tuple[str, ...]) -> None:
    assert package_changes(root, *revisions) == [("six", "1.16.0", "1.17.0")]


def test_the_working_tree_counts_as_it_lies_there(root: Path) -> None:
    write_service(root, DESCRIPTION.replace("12.1.1", "12.1.2"), six="1.18.0")
    images = [f"nvidia/cuda:12.1.{patch}-cudnn8-devel-ubuntu22.04" for patch in (1, 2)]
    assert package_changes(root, "HEAD") == [("base image", *images), ("six", "1.17.0", "1.18.0")]


def test_reading_a_revision_touches_nothing(root: Path) -> None:
    (root / "services/lora/service.yaml").write_text(DESCRIPTION + "# mine\n")
    index = (root / ".git/index").read_bytes()
    diff.compare_states(open_repository(root), "v0.1", "v0.2")
    assert (root / ".git/index").read_bytes() == index
    assert (root / "services/lora/service.yaml").read_text().endswith("# mine\n")
    assert git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_repository_below_the_top_of_git_reads_its_own_files(tmp_path: Path, root: Path) -> None:
    (root / ".git").rename(tmp_path / ".git")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "moved below")
    assert package_changes(root, "HEAD", ".") == []
    write_service(root, six="1.18.0")
    assert package_changes(root, "HEAD") == [("six", "1.17.0", "1.18.0")]


@pytest.mark.parametrize("revision", ["v0.3", "HEAD~9", "--all", "", "no such place"])
def test_a_word_that_is_no_state_names_what_there_is(root: Path, revision: str) -> None:
    with pytest.raises(InputError, match=r"did you mean .*(?:v0\.2|main)") as excinfo:
        diff.compare_states(open_repository(root), revision)
    assert excinfo.value.exit_code == 2


def test_outside_of_git_only_paths_and_the_tree_are_states(root: Path, tmp_path: Path) -> None:
    (root / ".git").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="not in a git repository"):
        diff.compare_states(open_repository(root), "HEAD")
    assert package_changes(root, ".", ".") == []


def test_a_record_and_a_lock_folder_are_states(root: Path) -> None:
    record = root / "records/lora-gpu/pip_freeze.txt"
    record.parent.mkdir(parents=True)
    record.write_text("torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nJinja2==3.1.1\nsix==1.17.0\n")
    assert package_changes(root, "records/lora-gpu/pip_freeze.txt") == [("jinja2", "3.1.1", "3.1.2")]
    assert package_changes(root, "records/lora-gpu/pip_freeze.txt", LOCK) == [("jinja2", "3.1.1", "3.1.2")]
    assert package_changes(root, LOCK, "v0.1") == [("six", "1.17.0", "1.16.0")]


def test_people_read_a_row_a_change_and_a_line_an_environment(root: Path) -> None:
    differences = diff.compare_states(open_repository(root), "v0.1")
    assert diff_rows(differences) == [("lora-gpu", "six", "moved", "1.16.0", "1.17.0", "-0.0 MB, +0.0 MB")]
    assert summary_line(differences[0]) == "lora-gpu: packages: 1 moved; download: -0.0 MB, +0.0 MB"
