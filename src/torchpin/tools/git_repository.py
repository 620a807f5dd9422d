"""A git repository of one commit, written file by file: the same commit gives the same bytes on each machine.

What `git clone` writes depends on the machine (times and inodes in the index, hooks from templates, the mirror's address)
and on the server and zlib (the pack). Objects are stored here without compression: compressed bytes differ between
versions of zlib, and an image's layers are compressed as a whole anyway.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ObjectKind: TypeAlias = Literal["commit", "tree", "blob"]

_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_MAX_STORED_BLOCK = 0xFFFF  # bytes, of the deflate format
_MAX_PACK_BYTES = 1 << 31  # beyond it the pack's index has another form


@dataclass(frozen=True, kw_only=True, slots=True)
class GitObject:
    """An object of git: its id, 40 hexadecimal digits, and its content without header."""

    kind: ObjectKind
    id: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEntry:
    """A path of a commit: its mode of git (0o100644, 0o100755, 0o120000, 0o160000) and the id of its object."""

    path: bytes
    mode: int
    id: str


def write_repository(
    folder: Path,
    *,
    commit: str,
    tag: str | None,
    url: str,
    entries: Sequence[TreeEntry],
    objects: Iterable[GitObject],
) -> None:
    """Writes the .git folder of a shallow clone at a commit, with its tag if it has one. `objects` are the commit and all that it holds.

    Raises ToolError for objects of 2 GiB and more.
    """
    texts = {
        "HEAD": f"{commit}\n",
        "shallow": f"{commit}\n",
        "packed-refs": "# pack-refs with: peeled fully-peeled sorted \n"
        + (f"{commit} refs/tags/{tag}\n" if tag else ""),
        "config": (
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
            f'[remote "origin"]\n\turl = {url}\n'
        ),
    }
    (folder / "refs").mkdir(parents=True)  # without it, git sees no repository
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    (folder / "index").write_bytes(_index(entries))
    _write_pack(folder / "objects" / "pack", objects)


def _write_pack(folder: Path, objects: Iterable[GitObject]) -> None:
    """Writes a pack of objects and its index, in the order of their ids."""
    ordered = sorted(objects, key=lambda git_object: git_object.id)
    rows: list[tuple[str, int, int]] = []
    pack = bytearray(struct.pack(">4sII", b"PACK", 2, len(ordered)))
    for git_object in ordered:
        packed = _object_header(git_object) + _stored(git_object.content)
        rows.append((git_object.id, zlib.crc32(packed), len(pack)))
        pack += packed
        if len(pack) >= _MAX_PACK_BYTES:
            raise ToolError("a source of 2 GiB or more cannot be copied into an image")
    checksum = _digest(pack)
    folder.mkdir(parents=True)
    (folder / f"pack-{checksum.hex()}.pack").write_bytes(pack + checksum)
    (folder / f"pack-{checksum.hex()}.idx").write_bytes(_pack_index(rows, checksum))


def _digest(content: bytes | bytearray) -> bytes:
    """git's own checksum of its files; it protects from accidents, not from people."""
    return hashlib.sha1(content, usedforsecurity=False).digest()


def _object_header(git_object: GitObject) -> bytes:
    """Type and size of a packed object: four bits of the size, then seven a byte."""
    size = len(git_object.content)
    header = [(_PACK_TYPES[git_object.kind] << 4) | (size & 0xF)]
    size >>= 4
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    return bytes(header)


def _stored(content: bytes) -> bytes:
    """A zlib stream whose blocks are not compressed."""
    starts = range(0, max(len(content), 1), _MAX_STORED_BLOCK)
    stream = [b"\x78\x01"]
    for start in starts:
        block = content[start : start + _MAX_STORED_BLOCK]
        stream += [struct.pack("<BHH", start == starts[-1], len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*stream, struct.pack(">I", zlib.adler32(content))])


def _pack_index(rows: Sequence[tuple[str, int, int]], checksum: bytes) -> bytes:
    """The index of a pack, version 2; a row is an object's id, CRC-32 and offset, in the order of the ids."""
    first_bytes = [int(object_id[:2], 16) for object_id, _, _ in rows]
    counts = [0] * 256
    for byte in first_bytes:
        counts[byte] += 1
    totals = [sum(counts[: byte + 1]) for byte in range(256)]
    index = b"".join(
        [
            b"\xfftOc" + struct.pack(">I256I", 2, *totals),
            *(bytes.fromhex(object_id) for object_id, _, _ in rows),
            *(struct.pack(">I", crc) for _, crc, _ in rows),
            *(struct.pack(">I", offset) for _, _, offset in rows),
            checksum,
        ]
    )
    return index + _digest(index)


def _index(entries: Sequence[TreeEntry]) -> bytes:
    """git's index, version 2, with no times and inodes of files: git compares their content instead."""
    index = bytearray(struct.pack(">4sII", b"DIRC", 2, len(entries)))
    for entry in sorted(entries, key=lambda tree_entry: tree_entry.path):
        # ctime and mtime (two each), device, inode; mode; user, group, size
        row = struct.pack(">10I", *[0] * 6, entry.mode, *[0] * 3) + bytes.fromhex(entry.id)
        row += struct.pack(">H", min(len(entry.path), 0xFFF)) + entry.path
        index += row + b"\0" * (8 - len(row) % 8)
    return bytes(index) + _digest(index)
