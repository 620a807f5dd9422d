"""What of this installation decides its answers: torchpin's own files, Python and the installed packages."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.tools.kept_answers import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).parents[1]


@cache
def code_digest() -> str:
    """The digest of the Python that runs, the names and versions of packages, and torchpin's files by size and times."""
    installed = sorted(
        name
        for folder in dict.fromkeys(map(Path, filter(None, sys.path)))
        if folder.is_dir()  # not an archive
        for name in os.listdir(folder)  # noqa: PTH208 - their names alone
        if name.endswith((".dist-info", ".egg-info"))
    )
    return digest(sys.version, *installed, *_file_states(os.fspath(_PACKAGE)))


def _file_states(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _file_states(entry.path)
            else:
                status = entry.stat()
                times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
                yield f"{entry.path} {status.st_size} {times} {status.st_ino}"
