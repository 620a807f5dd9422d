"""The digests of files, of which one is read again only where its size, its times or its identity have changed."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from torchpin.tools.kept_answers import digest

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.tools.kept_answers import KeptAnswers

# A file that was written this shortly before it was read may be written again within one tick of the clock of its file
# system, of which the coarsest has two seconds; so its digest is not kept.
_SETTLED_NS = 3_000_000_000
_State = tuple[int, ...]


class NotPlainError(Exception):
    """Something is a link, a device or too much in motion: nothing is kept that rests on it."""


class Fingerprints:
    """The digests of files below a folder. What is not a regular file in a plain folder has none: it raises NotPlainError."""

    def __init__(self, root: Path, kept: KeptAnswers) -> None:
        self._root, self._kept = os.fspath(root), kept
        self.folders: dict[str, str] = {}
        self._plain: set[str] = set()

    def folder(self, path: str) -> str:
        """The digest of the names and contents of the files in a folder, without those of its folders; "" for none."""
        if path not in self.folders:
            self.folders[path] = self._folder_digest(path)
        return self.folders[path]

    def file(self, path: str) -> str:
        """The digest of one file's content, which is read each time; "" for none."""
        if not self._is_plain_folder(path.rpartition("/")[0]):
            return ""
        place = f"{self._root}/{path}"
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return ""
        if not stat.S_ISREG(status.st_mode):
            raise NotPlainError(path)
        return _read_digest(place, _state(status))

    def _folder_digest(self, path: str) -> str:
        place = f"{self._root}/{path}"
        if not self._is_plain_folder(path):
            return ""
        former_files: dict[str, tuple[_State, str]] = self._kept.get(path, "") or {}
        files: dict[str, tuple[_State, str]] = {}
        settled = True
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    continue
                if not stat.S_ISREG(status.st_mode):
                    raise NotPlainError(entry.path)
                file_state = _state(status)
                former = former_files.get(entry.name)
                if former and former[0] == file_state:
                    files[entry.name] = former
                    continue
                files[entry.name] = (file_state, _read_digest(entry.path, file_state))
                settled = (
                    settled and time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS
                )
        if files != former_files and settled:
            self._kept.put(path, "", files)
        return digest(*(part for name, (_, content) in files.items() for part in (name, content)))

    def _is_plain_folder(self, path: str) -> bool:
        """Whether a folder is there. Raises NotPlainError where it, or one that it is in, is a link or no folder."""
        if path in self._plain or not path:
            return True
        parent = path.rpartition("/")[0]
        if parent and not self._is_plain_folder(parent):
            return False
        try:
            status = os.lstat(f"{self._root}/{path}")
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise NotPlainError(path)
        self._plain.add(path)
        return True


def _state(status: os.stat_result) -> _State:
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
        status.st_dev,
        status.st_mode,
    )


def _read_digest(path: str, state: _State) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        content = file.read()
        if _state(os.fstat(file.fileno())) != state:
            raise NotPlainError(path)  # it was written while it was read
    return digest(content)
