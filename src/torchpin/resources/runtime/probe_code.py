"""The GPU code in a shared library: which architectures it was compiled for, by the headers of its fat binaries.

Nothing is loaded, and the code itself is not read. Standard library only, Python 3.8 and later; `probe.py` is in the same
folder. The headers are not documented: nvcc 13.5 and the libraries of CUDA 12 write them so.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECTIONS = (b".nv_fatbin", b"__nv_relfatbin")
MAGIC = 0xBA55ED50
PTX, CUBIN = 1, 2  # kinds of entries
EXACT = 1 << 20  # the flag of code for one architecture alone, as sm_90a
ENTRY = 48  # bytes of an entry's header that are read


class Code(NamedTuple):
    """Code for one architecture. `exact`: it runs on that capability only."""

    kind: int
    capability: tuple[int, int]
    exact: bool

    def runs_on(self, capability: tuple[int, int]) -> bool:
        """Return whether a GPU runs it: machine code stays in its major version, PTX goes up."""
        if self.exact:
            return self.capability == capability
        same_major = self.kind == PTX or self.capability[0] == capability[0]
        return same_major and self.capability <= capability

    def name(self) -> str:
        """Return the name that compilers give it, such as sm_90a."""
        major, minor = self.capability
        return f"{'sm' if self.kind == CUBIN else 'compute'}_{major}{minor}{'a' if self.exact else ''}"


def gpu_code(paths: Iterable[str]) -> list[Code]:
    """Return the GPU code in shared libraries, each architecture once; one that cannot be read has none."""
    codes: set[Code] = set()
    for path in paths:
        try:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:  # noqa: PTH123
                codes.update(entries(content))
        except (OSError, ValueError, struct.error):
            continue
    return sorted(codes)


def entries(content: Any) -> Iterator[Code]:
    """Yield the code in an ELF file of 64 bits. Raises ValueError or struct.error where it is damaged."""
    for start, size in sections(content):
        place, end = start, start + size
        while place + 16 <= end:
            magic, _, header, length = struct.unpack_from("<IHHQ", content, place)
            if magic != MAGIC:  # the padding between two fat binaries
                place += 8
                continue
            yield from fat_binary(content, place + header, place + header + length)
            place += header + length


def sections(content: Any) -> Iterator[tuple[int, int]]:
    """Yield offset and size of the sections that hold fat binaries."""
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not an ELF file of 64 bits")
    table = struct.unpack_from("<Q", content, 40)[0]
    size, count, names = struct.unpack_from("<HHH", content, 58)
    headers = [struct.unpack_from("<IIQQQQ", content, table + size * number) for number in range(count)]
    start = headers[names][4] if names < count else 0
    for name, _, _, _, offset, length in headers:
        if any(content[start + name : start + name + len(text) + 1] == text + b"\0" for text in SECTIONS):
            yield offset, length


def fat_binary(content: Any, place: int, end: int) -> Iterator[Code]:
    """Yield the entries of one fat binary."""
    while place + ENTRY <= end:
        kind, _, header, length = struct.unpack_from("<HHIQ", content, place)
        number = struct.unpack_from("<I", content, place + 28)[0]
        flags = struct.unpack_from("<Q", content, place + 40)[0]
        if kind in {PTX, CUBIN}:
            yield Code(kind, divmod(number, 10), bool(flags & EXACT))
        if header < ENTRY:
            raise ValueError("an entry without a header")
        place += header + length
