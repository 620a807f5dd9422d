"""Text files, read and written whole."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import ToolError, os_error_reason
from torchpin.paths import SETTINGS, WORK

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 64_000_000  # of one file; torchpin's own have some hundred thousand, an undo file some million
KINDS = {  # what is not a file, by the type bits of its mode
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What a link may not lead to, though it is inside the repository: settings and git's own files can hold credentials.
PRIVATE_FILES = frozenset({SETTINGS, ".git", WORK})


def read_text(path: Path, *, follow: bool = True, most_bytes: int = MOST_BYTES) -> str | None:
    """A file's text, or None if it does not exist.

    Raises ToolError as `read_bytes` does, and for a file that is not UTF-8.
    """
    content = read_bytes(path, follow=follow, most_bytes=most_bytes)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1 if content else 1
        raise ToolError(
            f"{path}:{line} is not UTF-8 text at byte {error.start}; save it as UTF-8, then try again"
        ) from None


def read_bytes(path: Path, *, follow: bool = True, most_bytes: int = MOST_BYTES) -> bytes | None:
    """A file's content, or None if it does not exist.

    Raises ToolError for what is not a file, for a file of more than `most_bytes` and, without `follow`, for a link.
    """
    # A named pipe would be waited for until somebody writes to it, without O_NONBLOCK.
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            kind = "a link that was put there while this command ran, or one to itself"
        elif error.errno == errno.ENXIO:
            kind = "a socket or a device"
        else:
            raise
        raise ToolError(f"{path} is {kind}, not a file; move it away, then try again") from None
    status = os.fstat(handle)
    mode = stat.S_IFMT(status.st_mode)
    if mode != stat.S_IFREG:
        os.close(handle)
        raise ToolError(
            f"{path} is {KINDS.get(mode, 'something else')}, not a file; move it away, then try again"
        )
    with os.fdopen(handle, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        size = max(status.st_size, len(content))
        raise ToolError(
            f"{path} has {size} bytes, and at most {most_bytes} are read; make it smaller, or move it away"
        )
    return content


def read_inside(root: Path, path: str) -> str | None:
    """A file's text, None if it does not exist. Raises ToolError as `read_text` and `expect_inside` do.

    It is read where the link led to when that was looked at, so a link that is put there since is not followed.
    """
    return read_text(expect_inside(root, path), follow=False)


def expect_inside(root: Path, path: str) -> Path:
    """The file that a path in `root` leads to, without links.

    Raises ToolError, with both names, for a link out of the root, and for one to settings or git's files in it.
    """
    if root.is_absolute() and _has_no_link(root, path):
        return Path(f"{_real_folder(root)}/{path}")
    resolved_root = Path(os.path.realpath(root))
    target = Path(os.path.realpath(root / path))
    if target.is_relative_to(resolved_root):
        private = {*target.relative_to(resolved_root).parts} & PRIVATE_FILES
        if not private - {*Path(path).parts}:
            return target
        reason = "a link to what is not for others to read"
    else:
        reason = f"a link out of {root}"
    parts = [root / part for part in (*reversed(Path(path).parents), Path(path))]
    link = next((part for part in parts[1:] if part.is_symlink()), root / path)
    raise ToolError(
        f"{link} is {reason}, to {os.path.realpath(link)}; replace it with a plain file or folder"
    )


def _has_no_link(root: Path, path: str) -> bool:
    """Whether no part of a path in `root` is a link; False too where that is not plain."""
    place = os.fspath(root)
    for part in path.split("/"):
        if part in {"", ".", ".."}:
            return False
        place = f"{place}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
        except FileNotFoundError:
            return True
        except OSError:
            return False
    return True


@lru_cache(maxsize=16)
def _real_folder(root: Path) -> str:
    """A root without links; asked for each file that is read."""
    return os.path.realpath(root)


def make_work_folder(root: Path) -> Path:
    """The folder of working files in a repository; git ignores it by a file that it holds.

    Raises ToolError for a link out of the repository.
    """
    expect_inside(root, WORK)
    folder = root / WORK
    folder.mkdir(exist_ok=True)
    with suppress(OSError, ToolError):  # where it cannot be written, the next write says why
        write_files({folder / ".gitignore": "*\n"})
    return folder


def write_files(files: Mapping[Path, str | None]) -> tuple[Path, ...]:
    """Write all files or, if staging one fails, none, and return the paths that changed; None removes a file.

    Texts that differ are staged in temporary files in the same folders, then renamed. Raises ToolError for a file that
    cannot be read or written.
    """
    changed = {path: text for path, text in files.items() if read_text(path) != text}
    staged: dict[Path, Path] = {}
    try:
        for path, text in changed.items():
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                staged[path] = Path(name)
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode())
                # mkstemp creates files with mode 0600
                staged[path].chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        for path in changed:
            if path in staged:
                staged.pop(path).replace(path)
            else:
                path.unlink()
    except OSError as error:
        raise ToolError(f"{os_error_reason(error)}; no partial file was kept") from None
    finally:
        for leftover in staged.values():
            leftover.unlink(missing_ok=True)
    return tuple(sorted(changed))
