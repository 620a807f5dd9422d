"""Members of a tar archive, whose bytes depend on path, mode, size and time alone: they are root's, and have no names."""

from __future__ import annotations

import tarfile

_BLOCK = 512
END = bytes(2 * _BLOCK)


def header(
    path: str, *, size: int, mode: int, time: int, folder: bool = False, link: str | None = None
) -> bytes:
    """The header of a file of `size` bytes, of a folder, or of a symbolic link, at a path without a slash at its beginning.

    It is of the old format (ustar), which every program reads, and has a record of PAX before it where that cannot tell the path or the
    size.
    """
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = size, mode, time
    member.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    if link is not None:
        member.type, member.linkname = tarfile.SYMTYPE, link
    if f"{path}{member.linkname}".isascii():
        try:
            return member.tobuf(tarfile.USTAR_FORMAT)
        except ValueError:  # too long, or too large
            pass
    return member.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What follows the content of a file of `size` bytes."""
    return bytes(-size % _BLOCK)
