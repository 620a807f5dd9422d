"""The build requirements and the metadata of source distributions, read from their bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

# Bounds of an archive, of which two megabytes can hold gigabytes of zeros.
_MOST_UNPACKED = (
    1_000_000_000  # bytes of a tar, read past and not kept; the largest sources have some hundred million
)
_MOST_MEMBERS = 200_000  # files; PyTorch's own sources have some twenty thousand
_LARGEST_READ = (
    1_000_000  # bytes of a pyproject.toml, or of a member's header; real ones have some ten thousand
)

_TOP_LEVEL = re.compile(r"(?:src/)?[^/]+\.egg-info/top_level\.txt")

# What the readers of TOML and of archives raise for damaged ones: tarfile passes on what the decompressors raise.
_UNREADABLE = (
    ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError,
    NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def build_requirements(content: bytes, filename: str) -> tuple[str, ...]:
    """The build requirements of a source distribution: its `[build-system] requires`, or setuptools as PEP 517 says.

    Raises ToolError for an archive that cannot be read, or exceeds a bound.
    """
    try:
        return parse_build_requirements(_read_member(content, filename, "pyproject.toml"))
    except _UNREADABLE as error:
        raise ToolError(f"{filename} cannot be read ({error}); pin a version that has a wheel") from None


def parse_build_requirements(text: str | None) -> tuple[str, ...]:
    """The build requirements of a pyproject.toml, None where there is none. Raises ValueError for one that cannot be read."""
    requires = _parse_requires(text)
    if any(re.match(r"setuptools\b", requirement) for requirement in requires):
        requires.append("wheel")  # setuptools before 70.1 has no bdist_wheel of its own
    return tuple(sorted({*requires}))


def package_metadata(content: bytes, filename: str) -> bytes:
    """The PKG-INFO of a source distribution, empty if it has none. Raises ToolError as build_requirements does."""
    try:
        return (_read_member(content, filename, "PKG-INFO") or "").encode()
    except _UNREADABLE as error:
        raise ToolError(f"{filename} cannot be read ({error}); pin a version that has a wheel") from None


def python_files(content: bytes, filename: str) -> dict[str, bytes]:
    """The Python modules of a source distribution, by their paths in the top folder, or below `src/` in it.

    Raises ToolError as build_requirements does.
    """
    try:
        return {
            path.removeprefix("src/"): text
            for path, text in _members(content, filename)
            if path.endswith((".py", ".pyi"))
        }
    except _UNREADABLE as error:
        raise ToolError(f"{filename} cannot be read ({error}); pin a version that has a wheel") from None


def _members(content: bytes, filename: str) -> Iterator[tuple[str, bytes]]:
    """The files of a source archive that may be modules, without the top folder. Raises ValueError beyond a bound."""
    if filename.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for path in archive.namelist()[:_MOST_MEMBERS]:
                if path.endswith((".py", ".pyi")) and archive.getinfo(path).file_size <= _LARGEST_READ:
                    yield path.partition("/")[2], archive.read(path)
        return
    with _decompressed(content) as stream, tarfile.TarFile(fileobj=_BoundedFile(stream), mode="r") as tar:  # type: ignore[arg-type]
        for _ in range(_MOST_MEMBERS):
            member = tar.next()
            tar.members.clear()  # type: ignore[attr-defined]  # it keeps each one otherwise
            if member is None:
                return
            if member.isfile() and member.name.endswith((".py", ".pyi")) and member.size <= _LARGEST_READ:
                extracted = tar.extractfile(member)
                yield member.name.partition("/")[2], extracted.read() if extracted else b""


def top_level(content: bytes, filename: str) -> tuple[str, ...]:
    """The folders and modules that a source distribution of setuptools installs, sorted; empty where it does not list them.

    Raises ToolError as build_requirements does.
    """
    try:
        text = _read_member(content, filename, _TOP_LEVEL) or ""
    except _UNREADABLE as error:
        raise ToolError(f"{filename} cannot be read ({error}); pin a version that has a wheel") from None
    return tuple(sorted({line.strip().partition("/")[0] for line in text.splitlines() if line.strip()}))


def _parse_requires(text: str | None) -> list[str]:
    """The build requirements of a pyproject.toml; setuptools without one. Raises ValueError for another type."""
    build_system = parse_toml(text).get("build-system", {}) if text else {}
    requires = build_system.get("requires", ["setuptools"]) if isinstance(build_system, dict) else None
    if not isinstance(requires, list) or not all(isinstance(requirement, str) for requirement in requires):
        message = "build-system.requires in pyproject.toml is not a list of texts"
        raise ValueError(message)
    return [*requires]


def _read_member(content: bytes, filename: str, name: str | re.Pattern[str]) -> str | None:
    """The text of a file in a source archive; None if it has none. Raises ValueError beyond a bound.

    `name`: of a file in the top folder, or a pattern of the path below it.
    """
    pattern = re.compile(re.escape(name)) if isinstance(name, str) else name
    if filename.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            paths = [path for path in archive.namelist() if pattern.fullmatch(path.partition("/")[2])]
            if not paths:
                return None
            with archive.open(paths[0]) as file:
                return _read_bounded(file)
    with _decompressed(content) as stream, tarfile.TarFile(fileobj=_BoundedFile(stream), mode="r") as tar:  # type: ignore[arg-type]
        for _ in range(_MOST_MEMBERS):
            member = tar.next()
            tar.members.clear()  # type: ignore[attr-defined]  # it keeps each one otherwise
            if member is None:
                return None
            if member.isfile() and pattern.fullmatch(member.name.partition("/")[2]):
                extracted = tar.extractfile(member)
                return _read_bounded(extracted) if extracted else None
    message = f"it has more than {_MOST_MEMBERS} files"
    raise ValueError(message)


def _read_bounded(file: IO[bytes]) -> str:
    content = file.read(_LARGEST_READ + 1)
    if len(content) > _LARGEST_READ:
        message = f"its pyproject.toml or PKG-INFO has more than {_LARGEST_READ} bytes"
        raise ValueError(message)
    return content.decode()


def _decompressed(content: bytes) -> IO[bytes]:
    """A tar as a stream: tarfile's own detection of the compression would read it without a bound."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=io.BytesIO(content))  # type: ignore[return-value]
    if content.startswith(b"BZh"):
        return bz2.BZ2File(io.BytesIO(content))
    if content.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(io.BytesIO(content))
    return io.BytesIO(content)


class _BoundedFile:
    """A stream that raises ValueError where more is read, or skipped, than an archive of sources has."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 2 * _LARGEST_READ:  # twice: a member is read in whole blocks
            message = f"a part of it has more than {_LARGEST_READ} bytes"
            raise ValueError(message)
        return self.stream.read(size)

    def seek(self, position: int) -> int:
        if position > _MOST_UNPACKED:
            message = f"it unpacks to more than {_MOST_UNPACKED} bytes"
            raise ValueError(message)
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()
