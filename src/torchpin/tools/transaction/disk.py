"""What a transaction does to the disk, and how it looks at it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEW_FILE_MODE = 0o644  # the mode of a new file
_FOLDER_SYNC_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP}  # where a file system has no fsync of folders


def write_synced(path: Path, content: bytes, mode: int = NEW_FILE_MODE) -> None:
    """A new file, on the disk to its last byte."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while content:
            content = content[os.write(handle, content) :]
        os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _FOLDER_SYNC_UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def make_folders(root: Path, folders: Iterable[str]) -> None:
    for folder in folders:
        (root / folder).mkdir(exist_ok=True)
        sync_folder((root / folder).parent)


def remove_empty_folders(root: Path, folders: Iterable[str]) -> None:
    """Empty folders go, the innermost first; one that cannot go stays, since git knows no empty folders."""
    for folder in sorted(folders, key=lambda folder: -folder.count("/")):
        with suppress(OSError):
            (root / folder).rmdir()


def remove_folder(folder: Path, last: Iterable[Path] = ()) -> None:
    """A folder of ours goes, with what is in it; these files go last."""
    late = {*last}
    for path in sorted(folder.rglob("*"), key=lambda path: (path in late, -len(path.parts), path)):
        path.rmdir() if path.is_dir() else path.unlink()
    if folder.is_dir():
        folder.rmdir()


def expect_replaceable(path: Path, folder: Path) -> None:
    """A file can be written, and is no mount of its own (as in containers): no rename from that folder replaces one."""
    mounts = {_mount_id(path, os.O_WRONLY | os.O_NOFOLLOW), _mount_id(folder, os.O_RDONLY)}
    if len(mounts - {None}) > 1:
        raise OSError(errno.EBUSY, "is mounted by itself, so nothing can be renamed to it")


def _mount_id(path: Path, flags: int) -> bytes | None:
    """Which mount a path lies in, None where the system does not tell."""
    handle = os.open(path, flags)
    try:
        fdinfo = Path(f"/proc/self/fdinfo/{handle}").read_bytes()
    except OSError:
        return None
    finally:
        os.close(handle)
    return next((line for line in fdinfo.splitlines() if line.startswith(b"mnt_id:")), None)


def expect_plain(root: Path, paths: Iterable[str]) -> None:
    """Raises ToolError for a path that leads elsewhere: out of the repository, into git's own files, or over a link."""
    for path in paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or {"..", ".git"} & {*pure.parts} or not pure.parts or str(pure) != path:
            raise ToolError(f"{path!r} is no place for a file of a repository.")
        links = [part for part in (pure, *pure.parents) if part.parts and (root / part).is_symlink()]
        if links:
            raise ToolError(
                f"{links[0]} is a symbolic link, where a plain file or folder belongs. Make it one, then try again."
            )


def read_content(path: Path) -> bytes | None:
    """What a file holds, None where there is none. Raises ToolError for what is no file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise ToolError(
            f"{path} is a directory, where a file belongs. Move it away, then try again."
        ) from None
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}.") from None


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else NEW_FILE_MODE


def digest(data: bytes | None) -> str | None:
    return None if data is None else sha256(data).hexdigest()


def digests(root: Path, paths: Iterable[str]) -> dict[str, str | None]:
    return {path: digest(read_content(root / path)) for path in paths}


@contextmanager
def errors_name_path(path: str) -> Iterator[None]:
    """What fails in here fails for this file, whatever the system names."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def error_reason(error: OSError, otherwise: str) -> str:
    """The file and what is wrong with it; `otherwise` is named where the system names no file."""
    apart = "lies on another file system than .torchpin, so nothing can be renamed into it"
    return f"{error.filename or otherwise}: {apart if error.errno == errno.EXDEV else error.strerror}"
