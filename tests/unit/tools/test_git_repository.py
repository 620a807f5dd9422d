"""The .git folder of a copied source: the same bytes from the same commit."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.tools import git_repository
from torchpin.tools.git_repository import GitObject, TreeEntry, write_repository

if TYPE_CHECKING:
    from pathlib import Path

COMMIT, TREE, BLOB = ("0c" * 20, "1e" * 20, "b0" * 20)
OBJECTS = [
    GitObject(kind="commit", id=COMMIT, content=b"tree " + TREE.encode()),
    GitObject(kind="tree", id=TREE, content=b"100644 a\0" + bytes.fromhex(BLOB)),
    GitObject(kind="blob", id=BLOB, content=b"a" * 70_000),
]
ENTRIES = [
    TreeEntry(path=b"b", mode=0o100755, id=BLOB),
    TreeEntry(path=b"a", mode=0o100644, id=BLOB),
]


def write(folder: Path, objects: list[GitObject], entries: list[TreeEntry]) -> dict[str, bytes]:
    write_repository(
        folder,
        commit=COMMIT,
        tag="v1",
        url="https://example.org/a",
        entries=entries,
        objects=objects,
    )
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_order_in_which_git_lists_objects_does_not_matter(tmp_path: Path) -> None:
    first = write(tmp_path / "first", OBJECTS, ENTRIES)
    shuffled, entries = [*OBJECTS], [*ENTRIES]
    random.Random(1).shuffle(shuffled)
    entries.reverse()
    assert write(tmp_path / "second", shuffled, entries) == first
    assert {name.rpartition(".")[2] for name in first if name.startswith("objects/")} == {"pack", "idx"}


def test_another_content_has_another_pack(tmp_path: Path) -> None:
    first = write(tmp_path / "first", OBJECTS, ENTRIES)
    changed = [*OBJECTS[:2], GitObject(kind="blob", id=BLOB, content=b"b")]
    assert write(tmp_path / "second", changed, ENTRIES).keys() != first.keys()


@given(st.binary() | st.integers(65_530, 131_080).map(bytes))
def test_stored_streams_are_what_zlib_reads(content: bytes) -> None:
    stream = git_repository._stored(content)
    assert zlib.decompress(stream) == content
    assert len(stream) <= len(content) + 6 + 5 * (len(content) // 65_535 + 1)


def test_a_source_of_two_gibibytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchpin.errors import ToolError

    monkeypatch.setattr(git_repository, "_MAX_PACK_BYTES", 70_000)
    with pytest.raises(ToolError, match="2 GiB or more"):
        write(tmp_path / "large", OBJECTS, ENTRIES)
