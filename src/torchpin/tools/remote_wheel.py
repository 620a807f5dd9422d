"""A file of a wheel that lies on a server, without the rest of the wheel: ranges of its bytes are read."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin.tools import http

_TAIL = 65_536  # bytes; the list of a wheel's files is at its end, and its metadata mostly just before
_MOST_READ = 30_000_000  # bytes; torch lists some ten thousand files in about a megabyte
_LARGEST_METADATA = 1_000_000  # bytes; real ones have some ten thousand


def read_metadata(url: str, filename: str, size: int) -> bytes:
    """The METADATA of a wheel of `size` bytes; empty where the server sends no ranges, or the wheel is damaged.

    Raises FetchError for a request that fails.
    """
    try:
        remote = _RemoteFile(url, size)
        with zipfile.ZipFile(io.BufferedReader(remote, _TAIL)) as archive:
            names = [name for name in archive.namelist() if _is_metadata(name, filename)]
            if len(names) != 1 or archive.getinfo(names[0]).file_size > _LARGEST_METADATA:
                return b""
            with archive.open(names[0]) as file:
                return file.read(_LARGEST_METADATA)
    except (
        _NoRangesError,
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ):
        return b""


def _is_metadata(path: str, filename: str) -> bool:
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
