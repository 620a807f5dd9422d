"""A wheel as an archive: its files, each held against what the table of contents declares of it.

The names are those of a file tree below one folder: none is absolute, leads out of it, or is there twice. A wheel has no links.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from isal import isal_zlib

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_UNIX = 3  # who made a zip file that has the mode of its files
_UTF8, _ENCRYPTED = 0x800, 0x1  # flags of a file
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)
# Bounds of what a table of contents declares; vllm and torch have some ten thousand files and four gigabytes.
_MOST_FILES, _MOST_BYTES = 500_000, 100_000_000_000
_WHITEOUT = ".wh."  # a file of this name in a layer removes another


class WheelError(ToolError):
    """A wheel is damaged, or is one that must not be installed."""

    def __init__(self, filename: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{filename}: {reason}")


class DamagedWheelError(WheelError):
    """The bytes of a wheel are not those that its table of contents declares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFile:
    """A file of a wheel: `size` in bytes, whether it is executable, and where its compressed bytes are."""

    size: int
    executable: bool
    crc: int
    method: int
    position: int
    compressed: int


class WheelArchive:
    """An open wheel. `files` by path, without folders; `folders` are those that it lists, without a slash at the end.

    Raises WheelError for an archive that is damaged, encrypted, or has names or kinds of files that no wheel has.
    """

    def __init__(self, opened: IO[bytes], filename: str) -> None:
        self.filename = filename
        self._opened = opened
        self.files: dict[str, ArchiveFile] = {}
        folders: list[str] = []
        for entry in self._entries():
            path = self._path(entry)
            if entry.is_dir():
                folders.append(path)
            elif path in self.files:
                raise self._refused(f"{path} is there twice")
            else:
                self.files[path] = self._file(entry)
        self.folders = tuple(folders)
        self._require_a_tree()

    def chunks(self, path: str) -> Iterator[bytes]:
        """The content of a file in parts of at most a megabyte. Raises DamagedWheelError where it is not what is declared."""
        file = self.files[path]
        size, crc = 0, 0
        for chunk in self._inflated(path, file):
            size, crc = size + len(chunk), isal_zlib.crc32(chunk, crc)
            if size > file.size:
                break
            yield chunk
        if (size, crc) != (file.size, file.crc):
            raise self._damaged(f"{path} is not what the table of contents declares")

    def read(self, path: str, most_bytes: int) -> bytes:
        """A whole file. Raises WheelError for one of more than `most_bytes`, and for a damaged one."""
        if self.files[path].size > most_bytes:
            raise self._refused(
                f"{path} has {self.files[path].size} bytes, and at most {most_bytes} are read"
            )
        return b"".join(self.chunks(path))

    def _entries(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self._opened) as archive:
                entries = archive.infolist()
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            EOFError,
            struct.error,
            OSError,
        ) as error:
            raise self._damaged(f"it is not a zip file that can be read: {error}") from None
        if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
            raise self._refused(f"it declares more than {_MOST_FILES} files or {_MOST_BYTES} bytes")
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end:
                raise self._refused(
                    f"{entry.filename} lies over another file, which makes a small wheel large"
                )
            end = entry.header_offset + _LOCAL_HEADER.size + entry.compress_size
        return entries

    def _path(self, entry: zipfile.ZipInfo) -> str:
        name = entry.orig_filename
        path = name.removesuffix("/")
        parts = path.split("/")
        if not name.isprintable() or "\\" in name or {"", ".", ".."} & {*parts}:
            raise self._refused(f"{name!r} is not a path inside of the environment")
        if any(part.startswith(_WHITEOUT) for part in parts):
            raise self._refused(f"{name} would remove a file from the image")
        if not name.isascii() and not entry.flag_bits & _UTF8:
            raise self._refused(f"the name {name!r} is not marked as UTF-8")
        mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
        if stat.S_IFMT(mode) not in _KINDS:
            raise self._refused(f"{name} is a link or a device, which a wheel must not have")
        return path

    def _file(self, entry: zipfile.ZipInfo) -> ArchiveFile:
        if entry.flag_bits & _ENCRYPTED:
            raise self._refused(f"{entry.filename} is encrypted")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise self._refused(f"{entry.filename} is compressed in another way than wheels are (deflate)")
        mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
        return ArchiveFile(
            size=entry.file_size,
            executable=bool(mode & 0o111),
            crc=entry.CRC,
            method=entry.compress_type,
            position=entry.header_offset,
            compressed=entry.compress_size,
        )

    def _require_a_tree(self) -> None:
        """Raises WheelError for a path that is a file and a folder."""
        parents = {
            "/".join(parts[:depth])
            for path in (*self.files, *self.folders)
            for parts in [path.split("/")]
            for depth in range(1, len(parts))
        }
        if both := sorted(self.files.keys() & (parents | {*self.folders})):
            raise self._refused(f"{both[0]} is a file and a folder")

    def _inflated(self, path: str, file: ArchiveFile) -> Iterator[bytes]:
        self._seek_content(path, file)
        inflate = isal_zlib.decompressobj(-15) if file.method == zipfile.ZIP_DEFLATED else None
        left = file.compressed
        while left:
            chunk = self._opened.read(min(_CHUNK, left))
            if not chunk:
                raise self._damaged(f"it ends inside of {path}")
            left -= len(chunk)
            if inflate is None:
                yield chunk
                continue
            try:
                yield from _inflate(inflate, chunk)
            except isal_zlib.error as error:  # type: ignore[misc] # its stub has an instance for the class
                raise self._damaged(f"{path} cannot be unpacked: {error}") from None
        if inflate and not inflate.eof:
            raise self._damaged(f"{path} cannot be unpacked: it is cut off")

    def _seek_content(self, path: str, file: ArchiveFile) -> None:
        """Go to the compressed bytes, which a header of their own comes before. Raises WheelError where that has another name."""
        self._opened.seek(file.position)
        header = self._opened.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise self._damaged(f"{path} is not where the table of contents says")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if self._opened.read(name_length) != path.encode():
            raise self._refused(f"{path} has another name at its content")
        self._opened.seek(extra_length, 1)

    def _refused(self, reason: str) -> WheelError:
        return WheelError(self.filename, reason)

    def _damaged(self, reason: str) -> WheelError:
        return DamagedWheelError(self.filename, reason)


def _inflate(inflate: isal_zlib.Decompress, chunk: bytes) -> Iterator[bytes]:
    """What comes out of some compressed bytes, in parts, so that few bytes cannot become gigabytes of memory."""
    while not inflate.eof:
        content = inflate.decompress(chunk, _CHUNK)
        yield content
        chunk = inflate.unconsumed_tail
        if not chunk and len(content) < _CHUNK:
            return
