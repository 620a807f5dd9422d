"""Clones from real bare repositories: created, kept, replaced or rejected, and never with a local change lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools.git import (
    _clone,
    clone,
    describe_state,
    read_requirements,
    remote_tags,
)
from torchpin.tools.git_variables import settle_variables

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("plain_git")
NO_SETTINGS = Settings()
PATH = "third_party/sd-scripts"
SAVE_HELP = "save what you need elsewhere, remove the folder, then run `invoke clone` again"


def commit(folder: Path, text: str, tag: str, *, annotated: bool = False) -> str:
    (folder / "train.py").write_text(text)
    (folder / ".gitignore").write_text("__pycache__/\nlogs/\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", text)
    git(folder, "tag", *(["-a", "-m", tag] if annotated else []), "-f", tag)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def publish(work: Path) -> str:
    """The address of a bare copy of a repository."""
    bare = work.parent / "origin.git"
    shutil.rmtree(bare, ignore_errors=True)
    git(work.parent, "clone", "-q", "--bare", str(work), str(bare))
    return bare.as_uri()


@pytest.fixture
def source(work: Path) -> Source:
    """A source at v0.9.1, whose origin has v0.10.0 too."""
    first = commit(work, "one", "v0.9.1")
    commit(work, "two", "v0.10.0")
    return Source(name="sd-scripts", url=publish(work), tag="v0.9.1", commit=first, path=PATH)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def newer_source(source: Source, work: Path) -> Source:
    return replace(source, tag="v0.10.0", commit=git(work, "rev-parse", "v0.10.0"))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with its time and bytes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def clone_error(
    root: Path, source: Source, settings: Settings = NO_SETTINGS, *, verify_tag: bool = False
) -> str:
    with pytest.raises(ToolError) as excinfo:
        clone(root, source, settings, verify_tag=verify_tag)
    return str(excinfo.value)


def test_a_source_is_cloned_at_its_tag_with_nothing_but_its_commit(root: Path, source: Source) -> None:
    assert clone(root, source, NO_SETTINGS) == "cloned"
    clone_path = root / PATH
    assert (clone_path / "train.py").read_text() == "one"
    assert git(clone_path, "rev-list", "--count", "--all") == "1"
    assert git(clone_path, "rev-parse", "HEAD") == source.commit
    assert describe_state(root, source) == ""
    assert [path.name for path in clone_path.parent.iterdir()] == ["sd-scripts"]


def test_a_clone_that_is_there_is_present_and_not_touched(root: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    os.utime(root / PATH / "train.py", (0, 0))  # git would note the new time in its index
    before = snapshot(root)
    assert clone(root, source, NO_SETTINGS) == "present"
    assert snapshot(root) == before


def test_a_clone_that_is_there_needs_no_origin(root: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    unreachable = replace(source, url="file:///nowhere")
    assert clone(root, unreachable, NO_SETTINGS) == "present"
    assert clone(root, unreachable, NO_SETTINGS, verify_tag=True) == "present"


def test_an_annotated_tag_gives_its_commit(root: Path, work: Path, source: Source) -> None:
    third = commit(work, "three", "v0.11.0", annotated=True)
    assert git(work, "rev-parse", "v0.11.0") != third
    annotated = replace(source, tag="v0.11.0", commit=third, url=publish(work))
    assert clone(root, annotated, NO_SETTINGS) == "cloned"
    assert remote_tags(annotated, NO_SETTINGS)["v0.11.0"] == third


def test_a_mirror_is_read_and_its_address_stays_nowhere(root: Path, tmp_path: Path, source: Source) -> None:
    shutil.move(tmp_path / "origin.git", tmp_path / "mirror-s3cret.git")
    mirror = Settings(mirrors={"sd-scripts": (tmp_path / "mirror-s3cret.git").as_uri()})
    assert clone(root, source, mirror) == "cloned"
    assert git(root / PATH, "remote", "get-url", "origin") == source.url
    assert not [name for name, (_, content) in snapshot(root).items() if b"s3cret" in content]


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_another_repository_s_environment_does_not_disturb(
    root: Path, source: Source, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/elsewhere")
    settle_variables()
    assert clone(root, source, NO_SETTINGS) == "cloned"
    assert clone(root, source, NO_SETTINGS, verify_tag=True) == "present"


def test_a_leftover_of_a_killed_clone_is_cleared(root: Path, source: Source) -> None:
    leftover = root / "third_party" / ".sd-scripts.partial"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("")
    assert clone(root, source, NO_SETTINGS) == "cloned"
    assert not leftover.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_end_in_the_middle_leaves_no_folder(
    root: Path, source: Source, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(listing: str) -> None:
        raise error

    monkeypatch.setattr("torchpin.tools.clone_bounds.require_small_tree", dying)
    with pytest.raises(type(error)):
        clone(root, source, NO_SETTINGS)
    assert list((root / "third_party").iterdir()) == []


def test_a_clone_s_own_requirements_are_read(root: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    (root / PATH / "requirements.txt").write_text("numpy\n")
    assert read_requirements(root, source, "requirements.txt") == "numpy\n"
    with pytest.raises(ToolError) as excinfo:
        read_requirements(root, source, "none.txt")
    assert (
        str(excinfo.value)
        == "sd-scripts at v0.9.1 has no none.txt; correct `requirements` in its description"
    )


def test_a_missing_tag_names_the_nearest(root: Path, source: Source) -> None:
    requested = replace(source, tag="v0.9.2")
    assert clone_error(root, requested) == "sd-scripts has no tag v0.9.2; nearest: v0.9.1, v0.10.0"
    assert not (root / "third_party").exists()


def test_an_origin_without_tags_says_so(root: Path, work: Path, source: Source) -> None:
    git(work, "tag", "-d", "v0.9.1", "v0.10.0")
    requested = replace(source, url=publish(work))
    assert clone_error(root, requested) == "sd-scripts has no tag v0.9.1; it has no tags"


def test_a_moved_tag_is_told_with_both_commits(root: Path, work: Path, source: Source) -> None:
    new_commit = commit(work, "another", "v0.9.1")
    message = (
        f"sd-scripts: tag v0.9.1 was moved from {source.commit} to {new_commit}; "
        "find out why before you record the new commit in the description"
    )
    publish(work)
    assert clone_error(root, source) == message


def test_a_tag_that_moves_later_is_noticed_when_asked(root: Path, work: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    new_commit = commit(work, "another", "v0.9.1")
    publish(work)
    assert clone(root, source, NO_SETTINGS) == "present"
    assert f"to {new_commit}; find out why" in clone_error(root, source, verify_tag=True)


def test_an_unreadable_origin_is_told_with_git_s_own_words(root: Path, source: Source) -> None:
    message = clone_error(root, replace(source, url="file:///nowhere"))
    assert message.startswith("sd-scripts: file:///nowhere cannot be read by git:\n    ")
    assert "'/nowhere' does not appear to be a git repository" in message


@pytest.mark.parametrize("url", ["http://user:S3CRET@127.0.0.1:1/x.git", "https://S3CRET@127.0.0.1:1/x.git"])
def test_a_mirror_s_credentials_are_not_told(root: Path, source: Source, url: str) -> None:
    mirror = Settings(mirrors={"sd-scripts": url})
    message = clone_error(root, source, mirror)
    assert "://127.0.0.1:1/x.git cannot be read by git" in message
    assert "S3CRET" not in message
    with pytest.raises(ToolError) as excinfo:
        _clone(source, mirror, root / "third_party" / "x")
    assert "S3CRET" not in str(excinfo.value)
    assert "://127.0.0.1:1/x.git could not be cloned at v0.9.1" in str(excinfo.value)


@pytest.mark.parametrize("url", ["ext::sh -c touch% x", "--upload-pack=touch x", "-x", "foo::bar"])
def test_an_address_that_runs_things_is_refused(root: Path, source: Source, url: str) -> None:
    mirror = Settings(mirrors={"sd-scripts": url})
    assert f"sd-scripts: {url} cannot be read by git" in clone_error(root, source, mirror)
    with pytest.raises(ToolError):
        _clone(source, mirror, root / "third_party" / "x")


def test_without_git_everything_says_so(
    root: Path, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "git is not installed; install it, `invoke doctor` says how"
    clone(root, source, NO_SETTINGS)
    absent = replace(source, path="third_party/other")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert clone_error(root, absent) == message
    with pytest.raises(ToolError) as excinfo:
        describe_state(root, source)
    assert str(excinfo.value) == message
    code = (
        "from torchpin.tools.git_variables import settle_variables; settle_variables()\n"
        "from torchpin.commands import doctor; print(doctor._check_git())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "detail='none', help='install git'" in result.stdout


def _change_file(folder: Path) -> None:
    (folder / "train.py").write_text("mine")


def _delete_file(folder: Path) -> None:
    (folder / "train.py").unlink()


def _stage_change(folder: Path) -> None:
    _change_file(folder)
    git(folder, "add", ".")


def _add_file(folder: Path) -> None:
    (folder / "mine.py").write_text("mine")


def _add_many_files(folder: Path) -> None:
    for name in "abcd":
        (folder / name).write_text("mine")


def _remove_git_folder(folder: Path) -> None:
    shutil.rmtree(folder / ".git")


def _break_head_and_add_file(folder: Path) -> None:
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    (folder / "mine.py").write_text("mine")


def _corrupt_head(folder: Path) -> None:
    (folder / ".git" / "HEAD").write_text("nonsense")


def _replace_by_other_repository(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "mine.py").write_text("mine")


def _replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (_change_file, "changed (train.py)"),
        (_delete_file, "changed (train.py)"),
        (_stage_change, "changed (train.py)"),
        (_add_file, "changed (mine.py)"),
        (_add_many_files, "changed (a, b, c and more)"),
        (_remove_git_folder, "not a git repository"),
        (_break_head_and_add_file, "changed (mine.py)"),
        (_corrupt_head, "not a git repository"),
        (_replace_by_other_repository, "changed (mine.py)"),
        (_replace_by_file, "not a git repository"),
    ],
)
def test_what_people_have_there_is_refused_and_not_touched(
    root: Path, source: Source, spoil: Callable[[Path], None], state: str
) -> None:
    clone(root, source, NO_SETTINGS)
    spoil(root / PATH)
    before = snapshot(root)
    assert clone_error(root, source) == f"{PATH} is {state}; {SAVE_HELP}"
    assert snapshot(root) == before


def _leave_only_git(folder: Path) -> None:
    (folder / "train.py").unlink()
    (folder / ".gitignore").unlink()


def _empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _leave_empty_git_folder(folder: Path) -> None:
    _empty_folder(folder)
    (folder / ".git").mkdir()


def _break_head(folder: Path) -> None:
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/none\n")


def _leave_only_corrupt_head(folder: Path) -> None:
    _leave_only_git(folder)
    (folder / ".git" / "HEAD").write_text("nonsense")


@pytest.mark.parametrize(
    "spoil", [_leave_only_git, _empty_folder, _leave_empty_git_folder, _break_head, _leave_only_corrupt_head]
)
def test_a_half_made_clone_is_made_again(root: Path, source: Source, spoil: Callable[[Path], None]) -> None:
    clone(root, source, NO_SETTINGS)
    spoil(root / PATH)
    assert describe_state(root, source) == "incomplete"
    assert clone(root, source, NO_SETTINGS) == "replaced"
    assert describe_state(root, source) == ""


def test_a_half_made_clone_stays_when_the_origin_cannot_be_read(root: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    _leave_only_git(root / PATH)
    before = snapshot(root)
    assert "cannot be read by git" in clone_error(root, replace(source, url="file:///nowhere"))
    assert snapshot(root) == before


def test_a_clean_clone_at_another_commit_is_made_again(root: Path, work: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    (root / PATH / "__pycache__").mkdir()
    (root / PATH / "__pycache__" / "train.pyc").write_text("")
    other_source = newer_source(source, work)
    assert describe_state(root, other_source) == f"at {source.commit[:12]}, not at {other_source.commit[:12]}"
    assert clone(root, other_source, NO_SETTINGS) == "replaced"
    assert (root / PATH / "train.py").read_text() == "two"


def test_a_clone_whose_replacement_fails_stays(
    root: Path, work: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stops it between the two renames: the old clone is put back."""
    clone(root, source, NO_SETTINGS)
    before, rename = snapshot(root), Path.replace

    def fail_at_staged(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_at_staged)
        with pytest.raises(KeyboardInterrupt):
            clone(root, newer_source(source, work), NO_SETTINGS)
    assert snapshot(root) == before
    assert [path.name for path in (root / "third_party").iterdir()] == ["sd-scripts"]


def test_a_clone_that_was_killed_between_its_renames_begins_with_the_old_one(
    root: Path, work: Path, source: Source
) -> None:
    clone(root, source, NO_SETTINGS)
    folder = root / PATH
    folder.rename(folder.parent / ".sd-scripts.replaced")
    assert clone(root, source, NO_SETTINGS) == "present"
    folder.rename(folder.parent / ".sd-scripts.replaced")
    assert clone(root, newer_source(source, work), NO_SETTINGS) == "replaced"
    assert [path.name for path in folder.parent.iterdir()] == ["sd-scripts"]


def test_a_write_protected_clone_at_another_commit_is_made_again(
    root: Path, work: Path, source: Source
) -> None:
    clone(root, source, NO_SETTINGS)
    (root / PATH).chmod(0o555)
    assert clone(root, newer_source(source, work), NO_SETTINGS) == "replaced"
    assert [path.name for path in (root / "third_party").iterdir()] == ["sd-scripts"]


def test_a_full_clone_at_another_commit_is_made_again(root: Path, work: Path, source: Source) -> None:
    git(root, "clone", "-q", source.url, PATH)
    assert clone(root, source, NO_SETTINGS) == "replaced"
    assert (root / PATH / "train.py").read_text() == "one"


def _commit_change(folder: Path) -> None:
    _change_file(folder)
    git(folder, "commit", "-q", "-a", "-m", "mine")


def _commit_on_branch(folder: Path) -> None:
    git(folder, "switch", "-q", "-c", "mine")
    _commit_change(folder)
    git(folder, "switch", "-q", "--detach", "v0.9.1")


def _commit_and_empty(folder: Path) -> None:
    _commit_on_branch(folder)
    (folder / "train.py").unlink()
    (folder / ".gitignore").unlink()


def _stash_change(folder: Path) -> None:
    _change_file(folder)
    git(folder, "stash", "-q")


def _add_ignored_file(folder: Path) -> None:
    (folder / "logs").mkdir()
    (folder / "logs" / "run.txt").write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (_commit_change, "changed (unpushed commits)"),
        (_commit_on_branch, "changed (unpushed commits)"),
        (_commit_and_empty, "changed (unpushed commits)"),
        (_stash_change, "changed (unpushed commits)"),
        (_add_ignored_file, "changed (logs/run.txt)"),
    ],
)
def test_work_that_git_calls_clean_is_not_lost_to_another_commit(
    root: Path, work: Path, source: Source, spoil: Callable[[Path], None], state: str
) -> None:
    clone(root, source, NO_SETTINGS)
    spoil(root / PATH)
    before = snapshot(root)
    assert clone_error(root, newer_source(source, work)) == f"{PATH} is {state}; {SAVE_HELP}"
    assert snapshot(root) == before


def test_a_link_to_a_clone_elsewhere_is_not_replaced(root: Path, work: Path, source: Source) -> None:
    clone(root, source, NO_SETTINGS)
    elsewhere = (root / PATH).rename(root / "elsewhere")
    (root / PATH).symlink_to(elsewhere)
    assert clone(root, source, NO_SETTINGS) == "present"
    message = clone_error(root, newer_source(source, work))
    assert message.startswith(f"{PATH} is a link; ")
    assert (root / PATH).is_symlink()


def test_a_requirements_file_that_is_a_link_out_of_the_clone_is_refused(
    root: Path, tmp_path: Path, source: Source
) -> None:
    private = tmp_path / "private.txt"
    private.write_text("private-line==1\n")
    clone(root, source, NO_SETTINGS)
    (root / PATH / "linked.txt").symlink_to(private)
    with pytest.raises(ToolError) as excinfo:
        read_requirements(root, source, "linked.txt")
    assert f"{root / PATH / 'linked.txt'} is a link out of {root / PATH}, to {private}; " in str(
        excinfo.value
    )


def test_nothing_is_cloned_through_a_folder_that_is_a_link_out(
    root: Path, tmp_path: Path, source: Source
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (root / PATH).parent.symlink_to(away)
    assert f"{(root / PATH).parent} is a link out of {root}, to {away}; " in clone_error(root, source)
    assert not any(away.iterdir())
