"""Clones from real bare repositories: right, left alone, repaired or refused, and never with anything of people's lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from git import Repo

from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools.git import _clone, clone, remote_tags, requirements, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = Settings()
PATH = "third_party/sd-scripts"
SAVE = "Save what you need elsewhere, remove the folder, then run `invoke clone` again."


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's user, a fixed author."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }.items():
        monkeypatch.setenv(name, value)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


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


def published(work: Path) -> str:
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
    return Source(name="sd-scripts", url=published(work), tag="v0.9.1", commit=first, path=PATH)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def newer(source: Source, work: Path) -> Source:
    return replace(source, tag="v0.10.0", commit=git(work, "rev-parse", "v0.10.0"))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with its time and bytes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def refusal(root: Path, source: Source, settings: Settings = HERE, *, verify_tag: bool = False) -> str:
    with pytest.raises(ToolError) as caught:
        clone(root, source, settings, verify_tag=verify_tag)
    return str(caught.value)


# --- what is made ----------------------------------------------------------------------------------------------------


def test_a_source_is_cloned_at_its_tag_with_nothing_but_its_commit(root: Path, source: Source) -> None:
    assert clone(root, source, HERE) == "cloned"
    place = root / PATH
    assert (place / "train.py").read_text() == "one"
    assert git(place, "rev-list", "--count", "--all") == "1"
    assert git(place, "rev-parse", "HEAD") == source.commit
    assert state(root, source) == ""
    assert [path.name for path in place.parent.iterdir()] == ["sd-scripts"]


def test_a_clone_that_is_there_is_present_and_not_touched(root: Path, source: Source) -> None:
    clone(root, source, HERE)
    os.utime(root / PATH / "train.py", (0, 0))  # git would note the new time in its index
    before = snapshot(root)
    assert clone(root, source, HERE) == "present"
    assert snapshot(root) == before


def test_a_clone_that_is_there_needs_no_origin(root: Path, source: Source) -> None:
    clone(root, source, HERE)
    gone = replace(source, url="file:///nowhere")
    assert clone(root, gone, HERE) == "present"
    assert clone(root, gone, HERE, verify_tag=True) == "present"


def test_an_annotated_tag_gives_its_commit(root: Path, work: Path, source: Source) -> None:
    third = commit(work, "three", "v0.11.0", annotated=True)
    assert git(work, "rev-parse", "v0.11.0") != third
    annotated = replace(source, tag="v0.11.0", commit=third, url=published(work))
    assert clone(root, annotated, HERE) == "cloned"
    assert remote_tags(annotated, HERE)["v0.11.0"] == third


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
    assert clone(root, source, HERE) == "cloned"
    assert clone(root, source, HERE, verify_tag=True) == "present"
    assert os.environ[name] == "/elsewhere"


def test_a_leftover_of_a_killed_clone_is_cleared(root: Path, source: Source) -> None:
    left = root / "third_party" / ".sd-scripts.partial"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    assert clone(root, source, HERE) == "cloned"
    assert not left.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_end_in_the_middle_leaves_no_folder(
    root: Path, source: Source, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(url: str, to: Path, **options: object) -> None:
        (to / ".git").mkdir(parents=True)
        raise error

    monkeypatch.setattr(Repo, "clone_from", dying)
    with pytest.raises(type(error)):
        clone(root, source, HERE)
    assert list((root / "third_party").iterdir()) == []


def test_a_clone_s_own_requirements_are_read(root: Path, source: Source) -> None:
    clone(root, source, HERE)
    (root / PATH / "requirements.txt").write_text("numpy\n")
    assert requirements(root, replace(source, requirements="requirements.txt")) == "numpy\n"
    with pytest.raises(ToolError) as caught:
        requirements(root, replace(source, requirements="none.txt"))
    assert (
        str(caught.value)
        == "sd-scripts at v0.9.1 has no none.txt; correct `requirements` in its description."
    )


# --- what the origin says otherwise ----------------------------------------------------------------------------------


def test_a_missing_tag_names_the_nearest(root: Path, source: Source) -> None:
    asked = replace(source, tag="v0.9.2")
    assert refusal(root, asked) == "sd-scripts has no tag v0.9.2; the nearest are v0.9.1, v0.10.0."
    assert not (root / "third_party").exists()


def test_an_origin_without_tags_says_so(root: Path, work: Path, source: Source) -> None:
    git(work, "tag", "-d", "v0.9.1", "v0.10.0")
    asked = replace(source, url=published(work))
    assert refusal(root, asked) == "sd-scripts has no tag v0.9.1; the nearest are none, it has no tags."


def test_a_moved_tag_is_told_with_both_commits(root: Path, work: Path, source: Source) -> None:
    moved = commit(work, "another", "v0.9.1")
    message = (
        f"sd-scripts: the tag v0.9.1 was moved. Recorded: {source.commit}; now: {moved}. "
        "Find out why before you record the new commit in the description."
    )
    published(work)
    assert refusal(root, source) == message


def test_a_tag_that_moves_later_is_noticed_when_asked(root: Path, work: Path, source: Source) -> None:
    clone(root, source, HERE)
    moved = commit(work, "another", "v0.9.1")
    published(work)
    assert clone(root, source, HERE) == "present"
    assert f"now: {moved}." in refusal(root, source, verify_tag=True)


def test_an_unreadable_origin_is_told_with_git_s_own_words(root: Path, source: Source) -> None:
    message = refusal(root, replace(source, url="file:///nowhere"))
    assert message.startswith("sd-scripts: file:///nowhere cannot be read by git:\n    ")
    assert "'/nowhere' does not appear to be a git repository" in message


@pytest.mark.parametrize("url", ["http://user:S3CRET@127.0.0.1:1/x.git", "https://S3CRET@127.0.0.1:1/x.git"])
def test_a_mirror_s_credentials_are_not_told(root: Path, source: Source, url: str) -> None:
    mirror = Settings(mirrors={"sd-scripts": url})
    message = refusal(root, source, mirror)
    assert "://127.0.0.1:1/x.git cannot be read by git" in message
    assert "S3CRET" not in message
    with pytest.raises(ToolError) as caught:
        _clone(source, mirror, root / "third_party" / "x")
    assert "S3CRET" not in str(caught.value)
    assert "://127.0.0.1:1/x.git could not be cloned at v0.9.1" in str(caught.value)


@pytest.mark.parametrize("url", ["ext::sh -c touch% x", "--upload-pack=touch x", "-x", "foo::bar"])
def test_an_address_that_runs_things_is_refused(root: Path, source: Source, url: str) -> None:
    mirror = Settings(mirrors={"sd-scripts": url})
    assert f"sd-scripts: {url} cannot be read by git" in refusal(root, source, mirror)
    with pytest.raises(ToolError):
        _clone(source, mirror, root / "third_party" / "x")


def test_without_git_everything_says_so(
    root: Path, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "git is not on this machine. Run `invoke doctor` for what to install."
    clone(root, source, HERE)
    gone = replace(source, path="third_party/other")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(root, gone) == words
    with pytest.raises(ToolError) as caught:
        state(root, source)
    assert str(caught.value) == words
    code = "from torchpin import overview; print(overview._git())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "found='none', remedy='install git'" in done.stdout


# --- what lies at its place ------------------------------------------------------------------------------------------


def _changed(place: Path) -> None:
    (place / "train.py").write_text("mine")


def _deleted(place: Path) -> None:
    (place / "train.py").unlink()


def _staged(place: Path) -> None:
    _changed(place)
    git(place, "add", ".")


def _added(place: Path) -> None:
    (place / "mine.py").write_text("mine")


def _many(place: Path) -> None:
    for name in "abcd":
        (place / name).write_text("mine")


def _no_repository(place: Path) -> None:
    shutil.rmtree(place / ".git")


def _broken_head_and_work(place: Path) -> None:
    (place / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    (place / "mine.py").write_text("mine")


def _unreadable_head(place: Path) -> None:
    (place / ".git" / "HEAD").write_text("nonsense")


def _own_repository(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()
    git(place, "init", "-q")
    (place / "mine.py").write_text("mine")


def _file(place: Path) -> None:
    shutil.rmtree(place)
    place.write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_changed, "changed (train.py)"),
        (_deleted, "changed (train.py)"),
        (_staged, "changed (train.py)"),
        (_added, "changed (mine.py)"),
        (_many, "changed (a, b, c and more)"),
        (_no_repository, "not a git repository"),
        (_broken_head_and_work, "changed (mine.py)"),
        (_unreadable_head, "not a git repository"),
        (_own_repository, "changed (mine.py)"),
        (_file, "not a git repository"),
    ],
)
def test_what_people_have_there_is_refused_and_not_touched(
    root: Path, source: Source, spoil: Callable[[Path], None], words: str
) -> None:
    clone(root, source, HERE)
    spoil(root / PATH)
    before = snapshot(root)
    assert refusal(root, source) == f"{PATH} is {words}. {SAVE}"
    assert snapshot(root) == before


def _only_git(place: Path) -> None:
    (place / "train.py").unlink()
    (place / ".gitignore").unlink()


def _empty(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()


def _empty_git(place: Path) -> None:
    _empty(place)
    (place / ".git").mkdir()


def _broken_head(place: Path) -> None:
    (place / ".git" / "HEAD").write_text("ref: refs/heads/none\n")


def _nothing_but_a_broken_head(place: Path) -> None:
    _only_git(place)
    (place / ".git" / "HEAD").write_text("nonsense")


@pytest.mark.parametrize("spoil", [_only_git, _empty, _empty_git, _broken_head, _nothing_but_a_broken_head])
def test_a_half_made_clone_is_made_again(root: Path, source: Source, spoil: Callable[[Path], None]) -> None:
    clone(root, source, HERE)
    spoil(root / PATH)
    assert state(root, source) == "half-made"
    assert clone(root, source, HERE) == "repaired"
    assert state(root, source) == ""


def test_a_half_made_clone_stays_when_the_origin_cannot_be_read(root: Path, source: Source) -> None:
    clone(root, source, HERE)
    _only_git(root / PATH)
    before = snapshot(root)
    assert "cannot be read by git" in refusal(root, replace(source, url="file:///nowhere"))
    assert snapshot(root) == before


def test_a_clean_clone_at_another_commit_is_made_again(root: Path, work: Path, source: Source) -> None:
    clone(root, source, HERE)
    (root / PATH / "__pycache__").mkdir()
    (root / PATH / "__pycache__" / "train.pyc").write_text("")
    after = newer(source, work)
    assert state(root, after) == f"at {source.commit[:12]}, not at {after.commit[:12]}"
    assert clone(root, after, HERE) == "repaired"
    assert (root / PATH / "train.py").read_text() == "two"


def test_a_full_clone_at_another_commit_is_made_again(root: Path, work: Path, source: Source) -> None:
    git(root, "clone", "-q", source.url, PATH)
    assert clone(root, source, HERE) == "repaired"
    assert (root / PATH / "train.py").read_text() == "one"


def _committed(place: Path) -> None:
    _changed(place)
    git(place, "commit", "-q", "-a", "-m", "mine")


def _committed_on_a_branch(place: Path) -> None:
    git(place, "switch", "-q", "-c", "mine")
    _committed(place)
    git(place, "switch", "-q", "--detach", "v0.9.1")


def _committed_and_emptied(place: Path) -> None:
    _committed_on_a_branch(place)
    (place / "train.py").unlink()
    (place / ".gitignore").unlink()


def _stashed(place: Path) -> None:
    _changed(place)
    git(place, "stash", "-q")


def _ignored(place: Path) -> None:
    (place / "logs").mkdir()
    (place / "logs" / "run.txt").write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_committed, "changed (commits of its own)"),
        (_committed_on_a_branch, "changed (commits of its own)"),
        (_committed_and_emptied, "changed (commits of its own)"),
        (_stashed, "changed (commits of its own)"),
        (_ignored, "changed (logs/run.txt)"),
    ],
)
def test_work_that_git_calls_clean_is_not_lost_to_another_commit(
    root: Path, work: Path, source: Source, spoil: Callable[[Path], None], words: str
) -> None:
    clone(root, source, HERE)
    spoil(root / PATH)
    before = snapshot(root)
    assert refusal(root, newer(source, work)) == f"{PATH} is {words}. {SAVE}"
    assert snapshot(root) == before


def test_a_link_to_a_clone_elsewhere_is_not_replaced(root: Path, work: Path, source: Source) -> None:
    clone(root, source, HERE)
    elsewhere = (root / PATH).rename(root / "elsewhere")
    (root / PATH).symlink_to(elsewhere)
    assert clone(root, source, HERE) == "present"
    message = refusal(root, newer(source, work))
    assert message.startswith(f"{PATH} is a link. ")
    assert (root / PATH).is_symlink()
