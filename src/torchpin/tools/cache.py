"""The user's cache: files that take long to fetch or to make, by what they are made of.

It is the user's alone and can be deleted at any time. A file has its name only once it is whole; until then it is `….part`,
which one process at a time works at, and which the next one goes on with where it can.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from torchpin.errors import ToolError, os_error_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.model import Settings


def cache_folder(settings: Settings) -> Path:
    """The folder of the cache: that of the settings, else `torchpin` in the folder for caches of this user."""
    if settings.cache:
        return Path(settings.cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torchpin"


def make_folder(folder: Path) -> Path:
    """A folder of the cache, for its user alone. Raises ToolError where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"the cache: {os_error_reason(error, str(folder))}") from None
    return folder


@contextmanager
def partial_file(final: Path, is_whole: Callable[[], bool]) -> Iterator[IO[bytes] | None]:
    """The file that becomes `final`, opened at its end, with what an earlier process has left in it; None where `is_whole`
    says that `final` is there.

    Other processes and threads wait until it is finished. The caller renames it, which is the last thing it does with it.
    Raises ToolError where it cannot be written.
    """
    part = final.with_name(f"{final.name}.part")
    make_folder(final.parent)
    try:
        opened = _open_locked(part, is_whole)
    except OSError as error:
        raise ToolError(f"the cache: {os_error_reason(error, str(part))}") from None
    if opened is None:
        yield None
        return
    with opened:
        yield opened


def _open_locked(part: Path, is_whole: Callable[[], bool]) -> IO[bytes] | None:
    while not is_whole():
        opened = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            # whoever had the lock before may have renamed the file, or removed it
            if _is_same_file(part, opened) and not is_whole():
                opened.seek(0, os.SEEK_END)
                return opened
        except BaseException:
            opened.close()
            raise
        opened.close()
    return None


def _is_same_file(path: Path, opened: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(opened.fileno()))
    except FileNotFoundError:
        return False
