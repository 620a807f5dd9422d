"""Sources with submodules, with real git: they are refused by name, since a clone would have empty folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools.git import clone, describe_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")
PATH = "third_party/trainer"


def make_repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train_network.py").write_text("print('engine')\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def make_source(work: Path, submodules: tuple[str, ...]) -> Source:
    """A tagged source that has another repository as its submodules at these paths."""
    engine, trainer = make_repository(work / "engine"), make_repository(work / "trainer")
    for path in submodules:
        arguments = ("submodule", "--quiet", "add", engine.as_uri(), path)
        git(trainer, "-c", "protocol.file.allow=always", *arguments)
    git(trainer, "commit", "-q", "--allow-empty", "-m", "second")
    git(trainer, "tag", "v1.1.0")
    commit = git(trainer, "rev-parse", "HEAD")
    return Source(name="trainer", url=trainer.as_uri(), tag="v1.1.0", commit=commit, path=PATH)


@pytest.mark.parametrize(
    ("submodules", "named"),
    [(("engine",), "the submodule engine,"), (("a/engine", "b"), "the submodules a/engine, b,")],
)
def test_a_source_with_submodules_is_refused(tmp_path: Path, submodules: tuple[str, ...], named: str) -> None:
    source = make_source(tmp_path, submodules)
    with pytest.raises(ToolError, match=f"trainer: v1.1.0 has {named}"):
        clone(tmp_path, source, Settings())
    assert not (tmp_path / PATH).exists()


def test_a_clone_with_an_empty_submodule_is_not_right(tmp_path: Path) -> None:
    source = make_source(tmp_path, ("engine",))
    git(tmp_path, "clone", "-q", source.url, PATH)
    assert describe_state(tmp_path, source) == "without its submodule engine"


def test_a_source_without_submodules_is_cloned(tmp_path: Path) -> None:
    source = make_source(tmp_path, ())
    clone(tmp_path, source, Settings())
    assert describe_state(tmp_path, source) == ""
    assert (tmp_path / PATH / "train_network.py").is_file()
