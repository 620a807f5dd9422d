"""Sources with submodules, with real git: fetched at the commits that the tree names, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools.git import CLONED, PRESENT, REPLACED, clone, describe_state
from torchpin.tools.git_export import export_clone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")
PATH = "third_party/trainer"


def make_repository(folder: Path, text: str = "print('engine')\n") -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "train_network.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def add_submodule(outer: Path, address: str, path: str) -> None:
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", address, path)
    git(outer, "commit", "-q", "-m", f"with {path}")


def make_source(work: Path, paths: tuple[str, ...], **values: object) -> Source:
    """A tagged source that has another repository as its submodules at these paths."""
    engine, trainer = make_repository(work / "engine"), make_repository(work / "trainer")
    for path in paths:
        add_submodule(trainer, engine.as_uri(), path)
    git(trainer, "tag", "v1.1.0")
    return source_of(trainer, tag="v1.1.0", **values)


def source_of(repository: Path, **values: object) -> Source:
    commit = git(repository, "rev-parse", "HEAD")
    return Source(name="trainer", url=repository.as_uri(), commit=commit, path=PATH, **values)  # type: ignore[arg-type]


def with_address(repository: Path, path: str, address: str) -> Source:
    """A source whose submodule has another address than the one that it was added with."""
    git(repository, "config", "-f", ".gitmodules", f"submodule.{path}.url", address)
    git(repository, "commit", "-qam", "another address")
    return source_of(repository, submodules=True)


@pytest.mark.parametrize(
    ("submodules", "named"),
    [(("engine",), "the submodule engine;"), (("a/engine", "b"), "the submodules a/engine, b;")],
)
def test_a_source_with_submodules_that_nobody_asked_for_is_refused(
    tmp_path: Path, submodules: tuple[str, ...], named: str
) -> None:
    source = make_source(tmp_path, submodules)
    with pytest.raises(ToolError, match=f"trainer: v1.1.0 has {named} set `submodules: true`"):
        clone(tmp_path, source, Settings())
    assert not (tmp_path / PATH).exists()


def test_a_clone_with_an_empty_submodule_is_not_right(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("engine",))
    git(tmp_path, "clone", "-q", source.url, PATH)
    assert describe_state(tmp_path, source) == "without its submodule engine"
    assert describe_state(tmp_path, replace(source, submodules=False)) == ""
    fetched = replace(source, submodules=True)
    assert describe_state(tmp_path, fetched) == "without its submodule engine"
    assert clone(tmp_path, fetched, Settings()) == REPLACED
    assert describe_state(tmp_path, fetched) == ""


def test_a_source_without_submodules_is_cloned(tmp_path: Path) -> None:
    source = make_source(tmp_path, ())
    clone(tmp_path, source, Settings())
    assert describe_state(tmp_path, source) == ""
    assert (tmp_path / PATH / "train_network.py").is_file()


def test_submodules_come_at_the_commits_that_the_tree_names(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("a/engine", "b"), submodules=True)
    newer = tmp_path / "engine"
    named = git(newer, "rev-parse", "HEAD")
    (newer / "train_network.py").write_text("later\n")
    git(newer, "commit", "-qam", "second")
    assert clone(tmp_path, source, Settings()) == CLONED
    assert clone(tmp_path, source, Settings()) == PRESENT
    for path in ("a/engine", "b"):
        assert (tmp_path / PATH / path / "train_network.py").read_text() == "print('engine')\n"
        assert git(tmp_path / PATH / path, "rev-parse", "HEAD") == named
    assert git(tmp_path / PATH, "status", "--porcelain") == ""


def test_a_changed_submodule_is_a_change_of_the_clone(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("engine",), submodules=True)
    clone(tmp_path, source, Settings())
    (tmp_path / PATH / "engine" / "train_network.py").write_text("mine\n")
    assert describe_state(tmp_path, source) == "changed (engine)"
    with pytest.raises(ToolError, match=r"is changed \(engine\); save what you need"):
        clone(tmp_path, source, Settings())


def test_work_on_a_branch_of_a_submodule_is_not_lost_when_its_source_moves(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("engine",), submodules=True)
    clone(tmp_path, source, Settings())
    inner = tmp_path / PATH / "engine"
    git(inner, "checkout", "-q", "-b", "mine")
    git(inner, "commit", "-q", "--allow-empty", "-m", "work")
    git(inner, "checkout", "-q", "--detach", "mine~1")
    git(tmp_path / "trainer", "commit", "-q", "--allow-empty", "-m", "third")
    moved = source_of(tmp_path / "trainer", submodules=True)
    assert describe_state(tmp_path, moved) == "changed (engine: unpushed commits)"


def test_chosen_submodules_come_with_those_in_them(tmp_path: Path) -> None:
    core = make_repository(tmp_path / "core", "core\n")
    source = make_source(tmp_path, ("unused",))
    middle = make_repository(tmp_path / "middle")
    add_submodule(middle, "../core", "core")  # relative to the address of the one that names it
    add_submodule(tmp_path / "trainer", middle.as_uri(), "libs/middle")
    source = source_of(tmp_path / "trainer", submodules=("libs/middle",))
    clone(tmp_path, source, Settings())
    assert (tmp_path / PATH / "libs/middle/core/train_network.py").read_text() == "core\n"
    assert not any((tmp_path / PATH / "unused").iterdir())
    assert describe_state(tmp_path, source) == ""
    assert git(tmp_path / PATH / "libs/middle/core", "remote", "get-url", "origin") == core.as_uri()
    with pytest.raises(
        ToolError, match="has no submodule libs/other; its submodules are libs/middle, unused"
    ):
        clone(tmp_path, replace(source, submodules=("libs/other",), path="third_party/b"), Settings())


def test_the_image_gets_the_files_of_submodules(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("engine", "unused"), submodules=("engine",))
    clone(tmp_path, source, Settings())
    export_clone(tmp_path, source, tmp_path / "context")
    engine = tmp_path / "context" / "engine"
    assert (engine / "train_network.py").is_file()
    assert git(engine, "rev-parse", "HEAD") == git(tmp_path / "engine", "rev-parse", "HEAD")
    assert git(tmp_path / "context", "status", "--porcelain") == ""
    assert not any((tmp_path / "context" / "unused").iterdir())


def test_a_submodule_has_a_mirror_of_its_own(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("libs/engine",), submodules=True)
    (tmp_path / "engine").rename(tmp_path / "moved")
    with pytest.raises(ToolError, match="the submodule libs/engine could not be fetched at"):
        clone(tmp_path, source, Settings())
    mirrors = {"trainer-libs-engine": (tmp_path / "moved").as_uri()}
    clone(tmp_path, source, Settings(mirrors=mirrors))
    inner = tmp_path / PATH / "libs" / "engine"
    assert (inner / "train_network.py").is_file()
    assert git(inner, "remote", "get-url", "origin") == (tmp_path / "engine").as_uri()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ext::sh -c touch% /tmp/x", "is not a git address"),
        ("https://me:secret@example.org/a", "has a user or a token in it"),
        ("/etc", "is not a git address"),
        ("--upload-pack=touch", "is not a git address"),
    ],
)
def test_an_address_that_a_source_must_not_choose_is_refused(
    tmp_path: Path, address: str, message: str
) -> None:
    make_source(tmp_path, ("engine",))
    source = with_address(tmp_path / "trainer", "engine", address)
    with pytest.raises(ToolError, match=message) as excinfo:
        clone(tmp_path, source, Settings())
    assert "secret" not in str(excinfo.value)
    assert not (tmp_path / PATH).exists()


def test_a_submodule_without_an_address_is_refused(tmp_path: Path) -> None:
    make_source(tmp_path, ("engine",))
    git(tmp_path / "trainer", "rm", "-q", "--cached", ".gitmodules")
    git(tmp_path / "trainer", "commit", "-qm", "without")
    source = source_of(tmp_path / "trainer", submodules=True)
    with pytest.raises(ToolError, match=r"\.gitmodules has no address of the submodule engine"):
        clone(tmp_path, source, Settings())


def test_a_commit_that_its_repository_does_not_have_is_refused(tmp_path: Path) -> None:
    make_source(tmp_path, ("engine",))
    gone = "160000,0123456789012345678901234567890123456789,engine"
    git(tmp_path / "trainer", "update-index", "--cacheinfo", gone)
    git(tmp_path / "trainer", "commit", "-qm", "gone")
    source = source_of(tmp_path / "trainer", submodules=True)
    with pytest.raises(ToolError, match="the submodule engine could not be fetched at 012345678901"):
        clone(tmp_path, source, Settings())
