"""File operations of a transaction: synced writes, folders, digests, and checks of paths."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from torchpin.errors import ToolError, os_error_reason
from torchpin.paths import WORK
from torchpin.tools.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEW_FILE_MODE = 0o644
_FOLDER_SYNC_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP}  # from file systems that cannot fsync a folder


def write_synced(path: Path, content: bytes, mode: int = NEW_FILE_MODE) -> None:
    """Write a new file and sync it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while content:
            content = content[os.write(handle, content) :]
        os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk: without it a rename may be lost in a crash."""
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
    """Remove those folders that are empty, the innermost first; a failure is ignored, since git tracks no folders."""
    for folder in sorted(folders, key=lambda folder: -folder.count("/")):
        with suppress(OSError):
            (root / folder).rmdir()


def remove_folder(folder: Path, last: Iterable[Path] = ()) -> None:
    """Remove a folder with its contents, the files of `last` after all others."""
    late = {*last}
    for path in sorted(folder.rglob("*"), key=lambda path: (path in late, -len(path.parts), path)):
        path.rmdir() if path.is_dir() else path.unlink()
    if folder.is_dir():
        folder.rmdir()


def expect_replaceable(path: Path, folder: Path) -> None:
    """Raises OSError for a file that cannot be written, or that is a mount point (as in containers): a rename from
    `folder` cannot replace one."""
    mounts = {_mount_id(path, os.O_WRONLY | os.O_NOFOLLOW), _mount_id(folder, os.O_RDONLY)}
    if len(mounts - {None}) > 1:
        raise OSError(errno.EBUSY, "is a mount point, so no file can be renamed to it")


def _mount_id(path: Path, flags: int) -> bytes | None:
    """The mount of a path as in /proc/self/fdinfo, None on systems without it."""
    handle = os.open(path, flags)
    try:
        fdinfo = Path(f"/proc/self/fdinfo/{handle}").read_bytes()
    except OSError:
        return None
    finally:
        os.close(handle)
    return next((line for line in fdinfo.splitlines() if line.startswith(b"mnt_id:")), None)


def expect_plain(root: Path, paths: Iterable[str]) -> None:
    """Raises ToolError for a path that leaves the repository, is inside .git, or contains a symbolic link."""
    for path in paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or {"..", ".git"} & {*pure.parts} or not pure.parts or str(pure) != path:
            raise ToolError(f"{path!r} is not a path for a file of the repository")
        links = [part for part in (pure, *pure.parents) if part.parts and (root / part).is_symlink()]
        if links:
            raise ToolError(
                f"{links[0]} is a symbolic link; replace it with a plain file or folder, then try again"
            )


def read_content(path: Path) -> bytes | None:
    """A file's content, None if it does not exist. Raises ToolError when it cannot be read."""
    try:
        return read_bytes(path)
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}") from None


def first_change(root: Path, path: str, before: str | None) -> str:
    """`path:line` of the first line that a file does not have as before; the path alone where it is new or gone."""
    content = read_content(root / path)
    if content is None or before is None:
        return path
    lines, lines_before = content.split(b"\n"), before.encode().split(b"\n")
    number = next(
        (number for number, pair in enumerate(zip(lines, lines_before, strict=False)) if pair[0] != pair[1]),
        min(len(lines), len(lines_before)),
    )
    return f"{path}:{number + 1}"


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else NEW_FILE_MODE


def digest(data: bytes | None) -> str | None:
    return None if data is None else sha256(data).hexdigest()


def digests(root: Path, paths: Iterable[str]) -> dict[str, str | None]:
    return {path: digest(read_content(root / path)) for path in paths}


@contextmanager
def errors_name_path(path: str) -> Iterator[None]:
    """Make an OSError inside of the block name this path, not the temporary file that failed."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def error_reason(error: OSError, otherwise: str) -> str:
    """The file of an error and what is wrong with it; `otherwise` is the file if the error names none."""
    if error.errno == errno.EXDEV:
        return f"{error.filename or otherwise}: is on another file system than {WORK}, so no file can be renamed to it"
    return os_error_reason(error, otherwise)
