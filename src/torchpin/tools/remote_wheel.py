"""The METADATA, the table of contents and files of a wheel on a server, of which only ranges of bytes are read."""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin.errors import ToolError
from torchpin.measure.contents import WheelFile
from torchpin.tools import http

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TAIL = 65_536  # bytes; the list of a wheel's files is at its end, and its metadata mostly just before
_MOST_READ = 30_000_000  # bytes; torch lists some ten thousand files in about a megabyte
_LARGEST_METADATA = 1_000_000  # bytes; real ones have some ten thousand
_BLOCK = (
    131_072  # bytes that are read at once where several files are wanted: modules are small and lie together
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteWheel:
    """What was read of a wheel: its METADATA, empty if it has none of its own, and its table of contents."""

    metadata: bytes
    files: tuple[WheelFile, ...]


def read_wheel(url: str, filename: str, size: int) -> RemoteWheel | None:
    """The METADATA and the table of contents of a wheel of `size` bytes.

    None where the server sends no ranges, or the wheel is damaged. Raises FetchError for a request that fails.
    """
    try:
        return _read_archive(io.BufferedReader(_RemoteFile(url, size), _TAIL), filename)
    except _DAMAGED:
        return None


def read_local_wheel(path: Path) -> RemoteWheel | None:
    """What `read_wheel` gives, of a wheel on this machine; None for a damaged one."""
    try:
        with path.open("rb") as file:
            return _read_archive(file, path.name)
    except _DAMAGED:
        return None


def read_wheel_content(content: bytes, filename: str) -> RemoteWheel | None:
    """What `read_wheel` gives, of the bytes of a wheel; None for a damaged one."""
    try:
        return _read_archive(io.BytesIO(content), filename)
    except _DAMAGED:
        return None


def _read_archive(opened: IO[bytes], filename: str) -> RemoteWheel:
    with zipfile.ZipFile(opened) as archive:
        files = tuple(
            WheelFile(path=info.filename, size=info.file_size, crc=info.CRC) for info in archive.infolist()
        )
        paths = [file.path for file in files if is_metadata(file.path, filename)]
        metadata = b""
        if len(paths) == 1 and archive.getinfo(paths[0]).file_size <= _LARGEST_METADATA:
            with archive.open(paths[0]) as file:
                metadata = file.read(_LARGEST_METADATA)
        return RemoteWheel(metadata=metadata, files=files)


class UnreadableWheelError(ToolError):
    """The server sends no ranges, or the wheel is damaged, or larger than any bound."""


class OpenWheel:
    """An open wheel on a server. `files`: each file with what tells equal contents, its checksum and size."""

    def __init__(self, archive: zipfile.ZipFile, filename: str) -> None:
        self.filename = filename
        self._archive = archive
        self.files: Mapping[str, str] = {
            entry.filename: f"{entry.CRC:08x}{entry.file_size}"
            for entry in archive.infolist()
            if not entry.is_dir()
        }

    def read(self, path: str, most_bytes: int) -> bytes | None:
        """A file; None where it is larger than a bound. Raises UnreadableWheelError for a damaged one."""
        if self._archive.getinfo(path).file_size > most_bytes:
            return None
        try:
            with self._archive.open(path) as file:
                return file.read(most_bytes)
        except _DAMAGED as error:
            raise UnreadableWheelError(f"{self.filename}: {path} cannot be read: {error!r}") from None

    def metadata(self) -> bytes:
        """Its own METADATA, empty where it has none. Raises UnreadableWheelError for a damaged one."""
        paths = [path for path in self.files if is_metadata(path, self.filename)]
        return (self.read(paths[0], _LARGEST_METADATA) if len(paths) == 1 else None) or b""


@contextmanager
def open_wheel(url: str, filename: str, size: int) -> Iterator[OpenWheel]:
    """A wheel of `size` bytes, of which only what is read is requested, in blocks.

    Raises UnreadableWheelError, and FetchError for a request that fails.
    """
    try:
        archive = zipfile.ZipFile(io.BufferedReader(_BlockwiseFile(url, size), _BLOCK))
    except _DAMAGED as error:
        raise UnreadableWheelError(f"{filename} cannot be read by ranges: {error!r}") from None
    with archive:
        yield OpenWheel(archive, filename)


def is_metadata(path: str, filename: str) -> bool:
    """Whether a path in a wheel is that of its own METADATA; vendored packages have theirs below other folders."""
    folder, _, file = path.partition("/")
    if file != "METADATA" or not folder.endswith(".dist-info"):
        return False
    try:
        package = parse_wheel_filename(filename)[0]
    except InvalidWheelFilename:
        return False
    return canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0]) == package


class _NoRangesError(Exception):
    """The server sends whole files only, or the list of files is larger than that of any wheel."""


# What is raised for a wheel that is damaged, encrypted, or compressed in a way that no wheel is.
_DAMAGED = (
    _NoRangesError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError,
)  # fmt: skip


class _RemoteFile(io.RawIOBase):
    """A file on a server, of which only what is read is requested; the end of it at once."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size, self.position, self.requested = url, size, 0, 0
        self.tail_start = max(0, size - _TAIL)
        self.tail = self._request(self.tail_start, size)

    def _request(self, start: int, end: int) -> bytes:
        self.requested += end - start
        if self.requested > _MOST_READ:
            raise _NoRangesError
        content = http.fetch(self.url, byte_range=f"{start}-{end - 1}").content
        if len(content) != end - start:
            raise _NoRangesError
        return content

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            message = "before the start of the file"
            raise ValueError(message)
        self.position = start + offset
        return self.position

    def readinto(self, buffer: Any) -> int:
        start, end = self.position, min(self.position + len(buffer), self.size)
        if start >= end:
            return 0
        if start >= self.tail_start:
            content = self.tail[start - self.tail_start : end - self.tail_start]
        else:
            content = self._request(start, end)
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)


class _BlockwiseFile(_RemoteFile):
    """A file on a server that is read in blocks, each of them once."""

    def __init__(self, url: str, size: int) -> None:
        self.blocks: dict[int, bytes] = {}
        super().__init__(url, size)

    def readinto(self, buffer: Any) -> int:
        if self.position >= min(self.tail_start, self.size):
            return super().readinto(buffer)
        number = self.position // _BLOCK
        if number not in self.blocks:
            self.blocks[number] = self._request(number * _BLOCK, min((number + 1) * _BLOCK, self.size))
        start = self.position - number * _BLOCK
        content = self.blocks[number][start : start + len(buffer)]
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)
