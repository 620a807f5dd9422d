"""Files of Git LFS: the pointers that a checkout has in their place, and the files themselves, each by its hash."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools import process
from torchpin.tools.clone_bounds import MOST_BYTES
from torchpin.tools.git_command import run_git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torchpin.model import Source

_MARK = "version https://git-lfs.github.com/spec/v1"
_LARGEST_POINTER = 1024  # bytes, by the specification of the format
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:(?P<oid>[0-9a-f]{64})\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?size (?P<size>[0-9]{1,18})\n(?:[a-z0-9.-]+ [^\n]*\n)*"
)
_NO_MATCH = "git failed with exit code 1"  # and prints nothing
_SHOWN = 3  # names in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointer:
    """What stands in git for a file: its SHA-256, and its size in bytes."""

    oid: str
    size: int


def parse_pointer(content: bytes) -> Pointer | None:
    """The pointer that a file's content is, None for any other content."""
    match = _POINTER.fullmatch(content) if len(content) <= _LARGEST_POINTER else None
    return Pointer(oid=match["oid"].decode(), size=int(match["size"])) if match else None


def find_pointers(folder: Path) -> dict[str, Pointer]:
    """The pointers among the tracked files of a checkout, by path."""
    try:
        listing = run_git(
            "-C", str(folder), "grep", "-l", "-z", "-I", "-F", "-e", _MARK, timeout=process.LONG
        )
    except ToolError as error:
        if str(error) != _NO_MATCH:
            raise
        return {}
    pointers: dict[str, Pointer] = {}
    for name in filter(None, listing.split("\0")):
        path = folder / name
        if not path.is_symlink() and path.stat().st_size <= _LARGEST_POINTER:
            pointer = parse_pointer(path.read_bytes())
            pointers |= {name: pointer} if pointer else {}
    return pointers


def unfetched_text(source: Source, names: Iterable[str]) -> str:
    """That a source has files in Git LFS of which its description does not speak."""
    return (
        f"{source.name}: {source.version} has files in Git LFS, {_listed([*names])}, of which a clone has only the pointers; set "
        "`lfs: true` to fetch them, or `lfs: false` where the pointers are enough"
    )


def lfs_state(source: Source, folders: Iterable[tuple[str, Path]]) -> str:
    """What is wrong with the LFS files of a clone, whose folders are (path with a slash, folder); "" where nothing is."""
    if source.lfs is False:
        return ""
    names = [f"{prefix}{name}" for prefix, folder in folders for name in find_pointers(folder)]
    return f"without its files in Git LFS ({_listed(names)})" if names else ""


def _listed(names: list[str]) -> str:
    unlisted = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + unlisted


def fetch_files(source: Source, folder: Path) -> None:
    """Fetch the LFS files of a checkout in place of their pointers, each with the SHA-256 that its pointer names.

    Raises ToolError for files that the description does not mention, where `git lfs` is not installed or fails, and for
    a file that does not match its pointer.
    """
    pointers = {} if source.lfs is False else find_pointers(folder)
    if not pointers:
        return
    if not source.lfs:
        raise ToolError(unfetched_text(source, pointers))
    total = sum(pointer.size for pointer in pointers.values())
    if total > MOST_BYTES:
        raise ToolError(
            f"{source.name}: its files in Git LFS have {total} bytes, and at most {MOST_BYTES} are written"
        )
    try:
        run_git("lfs", "version", timeout=process.QUICK)
    except ToolError:
        raise ToolError(
            f"{source.name}: {_listed([*pointers])} {'are' if len(pointers) > 1 else 'is'} in Git LFS, and `git lfs` is not "
            "installed; install git-lfs, then try again"
        ) from None
    try:
        # without hooks, which would go into every clone; the filters are needed by `git status`
        run_git("-C", str(folder), "lfs", "install", "--local", "--skip-repo", timeout=process.QUICK)
        run_git("-C", str(folder), "lfs", "fetch", "origin", "HEAD", timeout=process.LONG)
    except ToolError as error:
        text = process.indent(redact_credentials(str(error)))
        raise ToolError(f"{source.name}: its files in Git LFS could not be fetched:\n{text}") from None
    for name, pointer in pointers.items():
        require_match(source, folder, name, pointer)
    run_git("-C", str(folder), "lfs", "checkout", timeout=process.LONG)


def require_match(source: Source, folder: Path, name: str, pointer: Pointer) -> Path:
    """The file that a pointer stands for, of a checkout's own store. Raises ToolError unless it has its SHA-256 and size."""
    path = object_path(folder, pointer)
    digest = hashlib.sha256()
    if not path.is_file():
        raise ToolError(
            f"{source.name}: {name} is in Git LFS, and its file was not fetched; run `invoke clone`"
        )
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != pointer.oid or path.stat().st_size != pointer.size:
        raise ToolError(
            f"{source.name}: what Git LFS gave for {name} is not what its pointer names, sha256 {pointer.oid}"
        )
    return path


def object_path(folder: Path, pointer: Pointer) -> Path:
    """Where a checkout keeps the file of a pointer."""
    return folder / ".git" / "lfs" / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


def copy_file(source: Source, folder: Path, name: str, pointer: Pointer, into: Path) -> None:
    """Copy the file of a pointer. Raises ToolError as require_match does."""
    shutil.copyfile(require_match(source, folder, name, pointer), into)
