"""Origins that never answer, and checkouts that are larger than any source, or hold what is no file."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git as run_git
from support.hostile_server import serve_bytes
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.tools import clone_bounds, files, git, git_checkout, process

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path, plain_git: None) -> Source:
    """A source of three files, one of which is mostly zeros."""
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "requirements.txt").write_text("six\n")
    (origin / "a.py").write_text("")
    (origin / "zeros.bin").write_bytes(bytes(5_000_000))
    run_git(origin, "init", "-q", "-b", "main")
    run_git(origin, "add", ".")
    run_git(origin, "commit", "-q", "-m", "all")
    run_git(origin, "tag", "v1")
    commit = run_git(origin, "rev-parse", "HEAD").strip()
    return Source(
        name="lib", url=origin.as_uri(), tag="v1", commit=commit, path="third_party/lib", requirements=("requirements.txt",)
    )  # fmt: skip


def refusal(root: Path, source: Source) -> str:
    with pytest.raises(ToolError) as excinfo:
        git.clone(root, source, Settings())
    assert not [*(root / "third_party").iterdir()]
    return str(excinfo.value)


def test_a_checkout_within_the_bounds_is_made(tmp_path: Path, source: Source) -> None:
    assert git.clone(tmp_path, source, Settings()) == git.CLONED
    assert (tmp_path / source.path / "zeros.bin").stat().st_size == 5_000_000
    assert git.describe_state(tmp_path, source) == ""


def test_more_bytes_than_a_source_has_are_not_written(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone_bounds, "MOST_BYTES", 1_000_000)
    assert "its files have 5000004 bytes (zeros.bin alone 5000000), and at most 1000000" in refusal(
        tmp_path, source
    )


def test_more_files_than_a_source_has_are_not_written(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone_bounds, "MOST_FILES", 2)
    assert "it has 3 files, and at most 2 are written; check its address" in refusal(tmp_path, source)


def test_what_a_clone_takes_is_bounded_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone_bounds, "MOST_BYTES", 1000)
    (tmp_path / "objects").mkdir()
    clone_bounds.require_small_folder(tmp_path)
    (tmp_path / "objects" / "pack").write_bytes(bytes(1001))
    with pytest.raises(ToolError, match="more than 1000 bytes, which no source has"):
        clone_bounds.require_small_folder(tmp_path)


def test_an_origin_that_never_answers_is_given_up(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "QUERY", 1)
    start = time.monotonic()
    with serve_bytes([], pause=60) as host, pytest.raises(ToolError) as excinfo:
        git.remote_tags(replace(source, url=f"http://u:S3CRET@{host}/x.git"), Settings())
    assert time.monotonic() - start < 10
    assert f"lib: http://{host}/x.git cannot be read by git:" in str(excinfo.value)
    assert "took longer than 1 s, and was ended" in str(excinfo.value)
    assert "S3CRET" not in str(excinfo.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pipe", "is a named pipe, not a file; move it away, then try again"),
        ("folder", "is a folder, not a file; move it away, then try again"),
        ("sparse", "has 10737418240 bytes, and at most 1000000 are read; make it smaller, or move it away"),
    ],
)
def test_a_requirements_file_that_is_none_is_not_read(
    kind: str, message: str, tmp_path: Path, source: Source
) -> None:
    path = tmp_path / source.path / "requirements.txt"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(10 * 2**30)
    with pytest.raises(ToolError) as excinfo:
        git.read_requirements(tmp_path, source, "requirements.txt")
    assert str(excinfo.value) == f"{path} {message}"


def test_a_large_file_of_a_revision_is_not_read(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1_000_000)
    with pytest.raises(ToolError, match=r"zeros\.bin has 5000000 bytes in git, and at most 1000000 are read"):
        git_checkout.texts_at_revision(tmp_path / "origin", "v1", ("zeros",))
    assert git_checkout.texts_at_revision(tmp_path / "origin", "v1", ("req",)) == {
        "requirements.txt": "six\n"
    }
