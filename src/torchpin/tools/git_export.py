"""A clone's commit as it is copied into images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools import git_lfs, git_repository, git_submodules
from torchpin.tools.git import open_repository
from torchpin.tools.git_repository import GitObject, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from git import Repo

    from torchpin.model import Source
    from torchpin.tools.git_repository import ObjectKind

_FOLDER, _EXECUTABLE, _LINK, _SUBMODULE = 0o040000, 0o100755, 0o120000, 0o160000  # modes in git's trees


def export_clone(root: Path, source: Source, into: Path) -> None:
    """Write a clone's commit: its files with git's modes, and a .git that answers `git rev-parse HEAD` in the image.

    All is read from git's objects, so the umask, filters, line endings and settings of this machine do not matter, and
    files that git ignores (a log, a model) are not copied: the image key does not cover them. Nothing is fetched: the
    submodules and the files of Git LFS that the description asks for are in the clone; other submodules are empty folders.
    Raises ToolError for a path that git would not check out, and for a file of Git LFS that is not in the clone.
    """
    folder = root / source.path
    with open_repository(folder) as repo:
        _export_commit(repo, source, source.commit, into, url=source.url, tag=source.tag)
    for path, inner, commit in git_submodules.fetched_submodules(source, folder, source.commit):
        with open_repository(inner) as repo:
            _export_commit(repo, source, commit, into / path, url=str(repo.remotes.origin.url), tag=None)


def _export_commit(repo: Repo, source: Source, commit: str, into: Path, *, url: str, tag: str | None) -> None:
    entries = _list_tree(repo, source, commit)
    into.mkdir(parents=True, exist_ok=True)
    _write_tree(repo, source, entries, into)
    git_repository.write_repository(
        into / ".git",
        commit=commit,
        tag=tag,
        url=url,
        entries=[entry for entry in entries if entry.mode != _FOLDER],
        objects=_commit_objects(repo, commit, entries),
    )


def _write_tree(repo: Repo, source: Source, entries: Sequence[TreeEntry], into: Path) -> None:
    """Write folders, then files, then links, so that nothing is written through a link."""
    for entry in entries:
        if entry.mode in {_FOLDER, _SUBMODULE}:
            (into / os.fsdecode(entry.path)).mkdir()
    for entry in entries:
        if entry.mode not in {_FOLDER, _SUBMODULE, _LINK}:
            path = into / os.fsdecode(entry.path)
            _write_file(repo, source, os.fsdecode(entry.path), _read_object(repo, entry.id), path)
            path.chmod(0o755 if entry.mode == _EXECUTABLE else 0o644)
    for entry in entries:
        if entry.mode == _LINK:
            (into / os.fsdecode(entry.path)).symlink_to(os.fsdecode(_read_object(repo, entry.id)))


def _write_file(repo: Repo, source: Source, name: str, content: bytes, into: Path) -> None:
    """Write a file; in place of a pointer of Git LFS the file that it names, unless pointers are enough."""
    pointer = None if source.lfs is False else git_lfs.parse_pointer(content)
    if pointer is None:
        into.write_bytes(content)
    elif source.lfs is None:
        raise ToolError(git_lfs.unfetched_text(source, [name]))
    else:
        git_lfs.copy_file(source, Path(repo.working_dir), name, pointer, into)


def _list_tree(repo: Repo, source: Source, commit: str) -> list[TreeEntry]:
    """All paths of a commit, folders included and before what is in them."""
    listing = repo.git.ls_tree("-r", "-t", "-z", "--full-tree", commit, stdout_as_string=False)
    entries = []
    for line in bytes(listing).split(b"\0"):
        if not line:
            continue
        fields, _, path = line.partition(b"\t")
        mode, _, object_id = fields.decode().split()
        if {b"", b".", b"..", b".git"} & set(path.lower().split(b"/")):
            raise ToolError(
                f"{source.name} at {source.version} has the path {os.fsdecode(path)!r}, which git does not allow"
            )
        entries.append(TreeEntry(path=path, mode=int(mode, 8), id=object_id))
    return entries


def _commit_objects(repo: Repo, commit: str, entries: Sequence[TreeEntry]) -> Iterator[GitObject]:
    """A commit, its trees and its blobs, each once."""
    root_tree = repo.commit(commit).tree.hexsha
    kinds: dict[str, ObjectKind] = {commit: "commit", root_tree: "tree"}
    kinds |= {
        entry.id: "tree" if entry.mode == _FOLDER else "blob" for entry in entries if entry.mode != _SUBMODULE
    }
    for object_id, kind in kinds.items():
        yield GitObject(kind=kind, id=object_id, content=_read_object(repo, object_id))


def _read_object(repo: Repo, object_id: str) -> bytes:
    return bytes(repo.odb.stream(bytes.fromhex(object_id)).read())
