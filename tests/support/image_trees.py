"""The file tree of an image, as a container of it has it."""

from __future__ import annotations

import io
import tarfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the engine itself puts into a container.
_OF_ENGINE = {".dockerenv", "dev", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "proc", "sys"}


class TreeEntry(NamedTuple):
    """A path's kind, mode, owner, time in seconds, and the digest of its content or where its link leads."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    time: int
    content: str


class _Stream(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def read_tree(client: Any, image: str) -> dict[str, TreeEntry]:
    """Every path of an image."""
    container = client.containers.create(image, network_mode="none")
    try:
        stream = io.BufferedReader(_Stream(container.export()))
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            return {
                path: _entry(archive, member)
                for member in archive
                if (path := member.name.removeprefix("./").rstrip("/")) and path not in _OF_ENGINE
                if path.partition("/")[0] not in {"dev", "proc", "sys"}
            }
    finally:
        container.remove(force=True)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> TreeEntry:
    content = archive.extractfile(member) if member.isreg() else None
    text = sha256(content.read()).hexdigest() if content else member.linkname
    return TreeEntry(member.type, member.mode, (member.uid, member.gid), int(member.mtime), text)
