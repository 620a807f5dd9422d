"""Sources with files in Git LFS: refused by name, left as pointers, or fetched, with real git and `git lfs`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools import process
from torchpin.tools.git import REPLACED, clone, describe_state
from torchpin.tools.git_export import export_clone
from torchpin.tools.git_lfs import Pointer, find_pointers, object_path, parse_pointer, require_match

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")
PATH = "third_party/model"
CONTENT = b"weights\0" * 400
OID = hashlib.sha256(CONTENT).hexdigest()
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize {len(CONTENT)}\n"
needs_git_lfs = pytest.mark.skipif(not process.which("git-lfs"), reason="git-lfs is not installed")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a pointer, and with a page about pointers."""
    folder = tmp_path / "origin"
    (folder / "models").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (folder / "models" / "a.bin").write_text(POINTER)
    (folder / "README.md").write_text(f"A pointer:\n{POINTER}")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def source_of(origin: Path, *, lfs: bool | None) -> Source:
    commit = git(origin, "rev-parse", "HEAD")
    return Source(name="model", url=origin.as_uri(), commit=commit, path=PATH, lfs=lfs)


def store(origin: Path, content: bytes) -> None:
    """Put a file where a server has those of Git LFS: `git lfs` reads a folder as it reads a server."""
    path = object_path(origin, Pointer(oid=OID, size=len(CONTENT)))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_a_pointer_is_read_and_a_page_about_one_is_not(origin: Path) -> None:
    assert parse_pointer(POINTER.encode()) == Pointer(oid=OID, size=len(CONTENT))
    assert parse_pointer(f"A pointer:\n{POINTER}".encode()) is None
    assert parse_pointer(POINTER.replace("size", "ext-0-foo sha256:0\nsize").encode())
    assert find_pointers(origin) == {"models/a.bin": Pointer(oid=OID, size=len(CONTENT))}


def test_pointers_that_the_description_does_not_speak_of_are_refused_by_name(
    tmp_path: Path, origin: Path
) -> None:
    with pytest.raises(ToolError, match=r"has files in Git LFS, models/a\.bin, .* set `lfs: true`"):
        clone(tmp_path, source_of(origin, lfs=None), Settings())
    assert not (tmp_path / PATH).exists()


def test_pointers_are_left_where_they_are_enough(tmp_path: Path, origin: Path) -> None:
    source = source_of(origin, lfs=False)
    clone(tmp_path, source, Settings())
    assert describe_state(tmp_path, source) == ""
    export_clone(tmp_path, source, tmp_path / "context")
    assert (tmp_path / "context" / "models" / "a.bin").read_text() == POINTER
    undecided = replace(source, lfs=None)
    assert describe_state(tmp_path, undecided) == "without its files in Git LFS (models/a.bin)"
    with pytest.raises(ToolError, match="set `lfs: true`"):
        export_clone(tmp_path, undecided, tmp_path / "other")


def test_without_git_lfs_the_error_says_what_to_install(
    tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(process.which("git") or "")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("GIT_EXEC_PATH", git(origin, "--exec-path"))
    with pytest.raises(ToolError, match=r"models/a\.bin is in Git LFS, and `git lfs` is not installed"):
        clone(tmp_path, source_of(origin, lfs=True), Settings())


@needs_git_lfs
def test_files_are_fetched_and_copied_into_the_image(tmp_path: Path, origin: Path) -> None:
    store(origin, CONTENT)
    clone(tmp_path, source_of(origin, lfs=False), Settings())
    source = source_of(origin, lfs=True)
    assert clone(tmp_path, source, Settings()) == REPLACED
    assert (tmp_path / PATH / "models" / "a.bin").read_bytes() == CONTENT
    assert describe_state(tmp_path, source) == ""
    export_clone(tmp_path, source, tmp_path / "context")
    assert (tmp_path / "context" / "models" / "a.bin").read_bytes() == CONTENT


@needs_git_lfs
@pytest.mark.parametrize("content", [None, b"another\0" * 400])
def test_a_file_that_is_not_what_its_pointer_names_is_refused(
    tmp_path: Path, origin: Path, content: bytes | None
) -> None:
    if content:
        store(origin, content)
    with pytest.raises(ToolError, match=r"could not be fetched|is not what its pointer names"):
        clone(tmp_path, source_of(origin, lfs=True), Settings())
    assert not (tmp_path / PATH).exists()


def test_the_content_of_a_file_is_compared_with_its_pointer(tmp_path: Path, origin: Path) -> None:
    store(origin, b"x" * len(CONTENT))
    with pytest.raises(ToolError, match=f"is not what its pointer names, sha256 {OID}"):
        require_match(source_of(origin, lfs=True), origin, "a.bin", Pointer(oid=OID, size=len(CONTENT)))
    with pytest.raises(ToolError, match="was not fetched"):
        require_match(source_of(origin, lfs=True), tmp_path, "a.bin", Pointer(oid=OID, size=1))
