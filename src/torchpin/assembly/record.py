"""RECORD, the list of a distribution's files, as uv reads, completes and writes it.

Hashes are those that the wheel says. They are not computed again: the wheel as a whole has the lock's hash, and real wheels
with wrong ones are installed by uv and pip.
"""

from __future__ import annotations

import csv
import io
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class RecordRow(NamedTuple):
    """A line: the path from site-packages, `sha256=…` and the size in bytes; the last two are empty where none is recorded."""

    path: str
    digest: str = ""
    size: int = -1


def content_row(path: str, content: bytes) -> RecordRow:
    """The line of a file that is written at the installation."""
    digest = urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
    return RecordRow(path, f"sha256={digest}", len(content))


def read_record(text: str, sizes: Mapping[str, int], unlisted: Iterable[str]) -> list[RecordRow]:
    """The lines of a wheel's RECORD, made to fit its files, given by path with their size in bytes.

    A line without its file is left out, and a file without its line gets one without a hash, but for those of `unlisted`.
    Raises ValueError for a line that is not one of a RECORD.
    """
    rows = []
    left = {**sizes}
    for fields in _lines(text):
        if len(fields) != len(RecordRow._fields) or not (fields[2].isdecimal() or not fields[2]):
            message = f"RECORD has a line that is not path, hash and size: {','.join(fields)[:100]}"
            raise ValueError(message)
        path = fields[0].lstrip("/")
        name = path if path in left else plain_path(path)
        if left.pop(name, None) is not None:
            rows.append(RecordRow(path, fields[1], int(fields[2]) if fields[2] else -1))
    for path in unlisted:
        left.pop(path, None)
    return rows + [RecordRow(path, "", size) for path, size in left.items()]


def _lines(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        yield from filter(None, reader)
    except csv.Error as error:
        message = f"RECORD cannot be read: line {reader.line_num}: {error}"
        raise ValueError(message) from None


def write_record(rows: Iterable[RecordRow]) -> bytes:
    """The text of a RECORD, in the order of its paths."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((row.path, row.digest, row.size if row.size >= 0 else "") for row in sorted(rows))
    return text.getvalue().encode()


def plain_path(path: str) -> str:
    """A path without `.` and `..`; "" where it leads out of its folder."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and not parts:
            return ""
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
