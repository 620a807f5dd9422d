"""Fingerprints of folders: they change with any file in it, and files that have not changed are not read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from torchpin.tools import fingerprints, kept_answers
from torchpin.tools.fingerprints import Fingerprints, NotPlainError
from torchpin.tools.kept_answers import KeptAnswers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "user_key", lambda: bytes(32))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once."""
    monkeypatch.setattr(fingerprints, "_SETTLED_NS", -(10**12))


def fingerprint(root: Path, path: str = "locks") -> str:
    store = KeptAnswers(root, "files")
    value = Fingerprints(root, store).folder(path)
    store.save()
    return value


def write(root: Path, name: str, text: str) -> Path:
    path = root / "locks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_it_changes_with_contents_and_names(tmp_path: Path) -> None:
    assert fingerprint(tmp_path) == ""
    values = []
    for name, text in (("a", "1"), ("a", "2"), ("b", "2"), ("b", "")):
        write(tmp_path, name, text)
        values.append(fingerprint(tmp_path))
    (tmp_path / "locks/a").rename(tmp_path / "locks/c")
    values.append(fingerprint(tmp_path))
    (tmp_path / "locks/c").unlink()
    values.append(fingerprint(tmp_path))
    assert len({*values}) == 6


def test_an_edit_that_keeps_size_and_time_shows(tmp_path: Path, settled: None) -> None:
    path = write(tmp_path, "a", "one")
    before, times = fingerprint(tmp_path), path.stat()
    path.write_text("two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert fingerprint(tmp_path) != before


def test_a_file_that_stayed_is_not_read_again(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a", "one")
    before = fingerprint(tmp_path)
    read: list[str] = []

    def note(path: str, _: object) -> str:
        read.append(path)
        return "read"

    monkeypatch.setattr(fingerprints, "_read_digest", note)
    assert fingerprint(tmp_path) == before
    write(tmp_path, "b", "two")
    fingerprint(tmp_path)
    assert read == [str(tmp_path / "locks/b")]


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a", "one")
    fingerprint(tmp_path)
    monkeypatch.setattr(fingerprints, "_read_digest", lambda path, state: "read again")
    assert KeptAnswers(tmp_path, "files").get("locks", "") is None


@pytest.mark.parametrize("name", ["locks", "locks/a"])
def test_a_link_has_no_fingerprint(tmp_path: Path, name: str) -> None:
    write(tmp_path, "b", "two")
    if name == "locks":
        (tmp_path / "locks").rename(tmp_path / "moved")
        (tmp_path / "locks").symlink_to("moved")
    else:
        (tmp_path / "locks/a").symlink_to("b")
    with pytest.raises(NotPlainError):
        fingerprint(tmp_path)


def test_folders_in_a_folder_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, "a", "one")
    before = fingerprint(tmp_path)
    (tmp_path / "locks/more").mkdir()
    (tmp_path / "locks/more/b").write_text("two")
    assert fingerprint(tmp_path) == before
    with pytest.raises(NotPlainError):
        fingerprint(tmp_path, "locks/a")
