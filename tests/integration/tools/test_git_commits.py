"""Sources at a commit without a tag, with real git."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools import git_command
from torchpin.tools.git import CLONED, PRESENT, REPLACED, clone, describe_state, expect_tag
from torchpin.tools.git_export import export_clone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")
PATH = "third_party/tool"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of three commits without a tag."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for text in ("one", "two", "three"):
        (folder / "a.txt").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", text)
    return folder


def source_at(origin: Path, revision: str) -> Source:
    commit = git(origin, "rev-parse", revision)
    return Source(name="tool", url=origin.as_uri(), commit=commit, path=PATH)


def test_a_commit_is_fetched_without_history(tmp_path: Path, origin: Path) -> None:
    source = source_at(origin, "main~1")
    assert clone(tmp_path, source, Settings()) == CLONED
    assert (tmp_path / PATH / "a.txt").read_text() == "two"
    assert git(tmp_path / PATH, "rev-list", "--count", "HEAD") == "1"
    assert describe_state(tmp_path, source) == ""
    assert clone(tmp_path, source, Settings(), verify_tag=True) == PRESENT


def test_a_server_that_gives_branches_alone_is_asked_for_all_of_them(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "GIT_CONFIG_COUNT", "1"
    )  # the older protocol, in which a server gives what it advertises
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    source = source_at(origin, "main~1")
    assert clone(tmp_path, source, Settings()) == CLONED
    assert (tmp_path / PATH / "a.txt").read_text() == "two"
    assert git(tmp_path / PATH, "rev-list", "--count", "refs/remotes/origin/main") == "3"


def test_a_commit_that_the_origin_does_not_have_is_refused(tmp_path: Path, origin: Path) -> None:
    source = replace(source_at(origin, "main"), commit="0f" * 20)
    with pytest.raises(
        ToolError, match=r"could not be cloned at 0f0f0f0f0f0f:\n +no branch or tag has the commit"
    ):
        clone(tmp_path, source, Settings())
    assert not (tmp_path / PATH).exists()


def test_an_origin_that_is_not_there_is_not_asked_twice(tmp_path: Path, origin: Path) -> None:
    source = replace(source_at(origin, "main"), url=(tmp_path / "gone").as_uri())
    with pytest.raises(ToolError, match="cannot be read by git"):
        clone(tmp_path, source, Settings())
    with pytest.raises(ToolError, match="does not appear to be a git repository"):
        git_command.fetch_commit(source.url, source.commit, tmp_path / "b")


def test_another_commit_replaces_the_clone_unless_there_is_work_in_it(tmp_path: Path, origin: Path) -> None:
    clone(tmp_path, source_at(origin, "main~1"), Settings())
    newer = source_at(origin, "main")
    assert describe_state(tmp_path, newer).startswith("at ")
    assert clone(tmp_path, newer, Settings()) == REPLACED
    git(tmp_path / PATH, "commit", "-q", "--allow-empty", "-m", "work")
    assert describe_state(tmp_path, newer) == "changed (unpushed commits)"


def test_a_mirror_leaves_no_address_in_the_clone(tmp_path: Path, origin: Path) -> None:
    source = replace(source_at(origin, "main"), url="https://example.org/tool")
    clone(tmp_path, source, Settings(mirrors={"tool": origin.as_uri()}))
    texts = [path.read_bytes() for path in (tmp_path / PATH / ".git").rglob("*") if path.is_file()]
    assert not any(origin.as_uri().encode() in text for text in texts)
    assert git(tmp_path / PATH, "remote", "get-url", "origin") == "https://example.org/tool"


def test_the_image_gets_a_commit_without_a_tag(tmp_path: Path, origin: Path) -> None:
    source = source_at(origin, "main~1")
    clone(tmp_path, source, Settings())
    export_clone(tmp_path, source, tmp_path / "context")
    assert git(tmp_path / "context", "rev-parse", "HEAD") == source.commit
    assert git(tmp_path / "context", "tag") == ""
    assert git(tmp_path / "context", "status", "--porcelain") == ""


def test_a_source_without_a_tag_has_none_that_moves(origin: Path) -> None:
    expect_tag(source_at(origin, "main~1"), Settings())
