"""How the layers of an image are compressed: not at all, by gzip or by zstd; the same bytes give the same result on every machine.

zlib does not promise that: each Python has another one of its own. Here the libraries come with fixed releases, whose output depends neither on
the processor nor on the number of threads.
"""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from importlib.metadata import version
from typing import IO, TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Packed = bytes | bytearray | memoryview

Compression = Literal["none", "gzip", "zstd"]
COMPRESSIONS: tuple[Compression, ...] = ("none", "gzip", "zstd")
_TAR = "application/vnd.oci.image.layer.v1.tar"
MEDIA_TYPES: Mapping[Compression, str] = {"none": _TAR, "gzip": f"{_TAR}+gzip", "zstd": f"{_TAR}+zstd"}
# The fastest level. zstd's level 3 makes CUDA's libraries a sixth smaller, and takes three times as long.
_LEVEL = 1


class Compressor(Protocol):
    """`compress` gives what is ready after another chunk, `flush` the rest. Chunks must always be cut at the same places."""

    def compress(self, data: memoryview, /) -> Packed: ...

    def flush(self) -> bytes: ...


class _Stored:
    """As it is."""

    def compress(self, data: memoryview, /) -> Packed:
        return data

    def flush(self) -> bytes:
        return b""


class _Gzip:
    """Each chunk is a member of its own, as gzip allows, since libdeflate compresses what it has as a whole."""

    def __init__(self) -> None:
        from deflate import gzip_compress

        self._compress = gzip_compress

    def compress(self, data: memoryview, /) -> Packed:
        return self._compress(data, _LEVEL)

    def flush(self) -> bytes:
        return b""


def compressor(compression: Compression) -> Compressor:
    """What compresses one layer."""
    if compression == "zstd":
        from zstandard import ZstdCompressor

        return ZstdCompressor(level=_LEVEL).compressobj()
    return _Gzip() if compression == "gzip" else _Stored()


def compression_version(compression: Compression) -> str:
    """What the bytes of a compressed layer depend on beside its content."""
    libraries = {"gzip": "deflate", "zstd": "zstandard"}
    library = libraries.get(compression)
    return f"{library}-{version(library)}-{_LEVEL}" if library else ""


@contextmanager
def plain(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    """The content of a layer, in whichever way it is compressed."""
    start = packed.read(4)
    packed.seek(0)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(packed) as content:
            yield content  # type: ignore[misc] # it reads as every file does
    elif start == b"\x28\xb5\x2f\xfd":
        from zstandard import ZstdDecompressor

        with ZstdDecompressor().stream_reader(packed, read_across_frames=True) as content:
            yield content
    else:
        yield packed
