"""A clone's commit as it is copied into images: the same bytes from each machine, and a repository that git reads."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Source
from torchpin.tools.git_export import export_clone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_git")
PATH = "third_party/a"


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of two commits: a script, a link, a file of Windows, a folder of a submodule."""
    folder = tmp_path / "origin"
    (folder / "package").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "package" / "module.py").write_text("old\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "package" / "module.py").write_text("value = 1\n" * 20_000)
    (folder / "empty.py").write_text("")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "windows.bat").write_bytes(b"dir\n")
    (folder / ".gitattributes").write_text("*.bat text eol=crlf\n")
    (folder / "link").symlink_to("package/module.py")
    git(folder, "add", ".")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'0f' * 20},submodule")
    git(folder, "commit", "-q", "-m", "two")
    git(folder, "tag", "-a", "-m", "v1", "v1")
    return folder


def source_of(origin: Path) -> Source:
    commit = git(origin, "rev-parse", "HEAD")
    return Source(name="a", url="https://example.org/a.git", tag="v1", commit=commit, path=PATH)


def export(origin: Path, machine: Path, *clone_options: str, umask: int = 0o022) -> Path:
    """The exported folder of a new clone, both made under a umask."""
    source = source_of(origin)
    before = os.umask(umask)
    try:
        (machine / PATH).parent.mkdir(parents=True)
        git(machine, "clone", "-q", *clone_options, origin.as_uri(), PATH)
        export_clone(machine, source, machine / "context" / "a")
    finally:
        os.umask(before)
    return machine / "context" / "a"


def contents(folder: Path) -> dict[str, bytes | str]:
    return {
        path.relative_to(folder).as_posix(): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def test_each_clone_gives_the_same_bytes(origin: Path, tmp_path: Path) -> None:
    first = export(origin, tmp_path / "one", "--depth", "1", "--branch", "v1")
    git(origin, "gc", "-q", "--aggressive", "--prune=now")
    second = export(
        origin, tmp_path / "other", "-c", "core.autocrlf=true", "-c", "core.compression=9", umask=0o077
    )
    assert (second.parent.parent / PATH / "windows.bat").read_bytes() == b"dir\r\n"
    assert contents(second) == contents(first)
    assert (first / "windows.bat").read_bytes() == b"dir\n"
    assert (first / "submodule").is_dir()


def test_files_have_git_s_modes(origin: Path, tmp_path: Path) -> None:
    folder = export(origin, tmp_path / "machine", umask=0o077)
    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in folder.iterdir()
        if path.is_file() and path.name != "link"
    }
    assert modes == {"run.sh": 0o755, "windows.bat": 0o644, "empty.py": 0o644, ".gitattributes": 0o644}
    assert (folder / "link").readlink().as_posix() == "package/module.py"


def test_what_git_ignores_and_what_was_changed_is_not_copied(origin: Path, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    (machine / PATH).parent.mkdir(parents=True)
    git(machine, "clone", "-q", origin.as_uri(), PATH)
    (machine / PATH / "model.bin").write_text("large")
    (machine / PATH / "empty.py").write_text("edited")
    export_clone(machine, source_of(origin), machine / "a")
    assert not (machine / "a" / "model.bin").exists()
    assert (machine / "a" / "empty.py").read_text() == ""


def test_git_reads_the_copy_as_a_clean_shallow_clone(origin: Path, tmp_path: Path) -> None:
    folder = export(origin, tmp_path / "machine")
    commit = source_of(origin).commit
    assert git(folder, "rev-parse", "HEAD") == commit
    assert git(folder, "describe", "--tags") == "v1"
    assert git(folder, "log", "--format=%s") == "two"
    assert git(folder, "remote", "get-url", "origin") == "https://example.org/a.git"
    # the file of Windows is as git stores it, which its attribute would change at the next checkout
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "fsck", "--full", "--strict") == ""
    (folder / "empty.py").write_text("edited")
    assert git(folder, "status", "--porcelain") == "M empty.py"


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT"])
def test_a_path_that_git_would_not_check_out_is_refused(origin: Path, tmp_path: Path, name: str) -> None:
    blob = git(origin, "rev-parse", "HEAD:empty.py")
    inner = _write_object(origin, "tree", b"100644 evil\0" + bytes.fromhex(blob))
    outer = _write_object(origin, "tree", f"40000 {name}\0".encode() + bytes.fromhex(inner))
    commit = git(origin, "commit-tree", "-m", "evil", outer)
    source = Source(name="a", url="https://example.org/a", tag="v1", commit=commit, path=origin.name)
    with pytest.raises(ToolError, match=rf"a at v1 has the path .*{name}.*, which git does not allow"):
        export_clone(tmp_path, source, tmp_path / "context" / "a")
    assert not [path for path in tmp_path.rglob("evil") if path.is_file()]


def _write_object(folder: Path, kind: str, content: bytes) -> str:
    command = ("git", "hash-object", "-t", kind, "-w", "--literally", "--stdin")
    return (
        subprocess.run(command, cwd=folder, input=content, check=True, capture_output=True)
        .stdout.decode()
        .strip()
    )
