"""A clone's commit as it is copied into images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools import git_repository
from torchpin.tools.git import open_repository
from torchpin.tools.git_repository import GitObject, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from git import Repo

    from torchpin.model import Source
    from torchpin.tools.git_repository import ObjectKind

_FOLDER, _EXECUTABLE, _LINK, _SUBMODULE = 0o040000, 0o100755, 0o120000, 0o160000  # modes in git's trees


def export_clone(root: Path, source: Source, into: Path) -> None:
    """Write a clone's commit: its files with git's modes, and a .git that answers `git rev-parse HEAD` in the image.

    All is read from git's objects, so the umask, filters, line endings and settings of this machine do not matter, and
    files that git ignores (a log, a model) are not copied: the image key does not cover them. Nothing is fetched:
    submodules are empty folders, and files of Git LFS their pointers.
    Raises ToolError for a path that git would not check out.
    """
    with open_repository(root / source.path) as repo:
        entries = _list_tree(repo, source)
        into.mkdir(parents=True)
        _write_tree(repo, entries, into)
        git_repository.write_repository(
            into / ".git",
            commit=source.commit,
            tag=source.tag,
            url=source.url,
            entries=[entry for entry in entries if entry.mode != _FOLDER],
            objects=_commit_objects(repo, source, entries),
        )


def _write_tree(repo: Repo, entries: Sequence[TreeEntry], into: Path) -> None:
    """Write folders, then files, then links, so that nothing is written through a link."""
    for entry in entries:
        if entry.mode in {_FOLDER, _SUBMODULE}:
            (into / os.fsdecode(entry.path)).mkdir()
    for entry in entries:
        if entry.mode not in {_FOLDER, _SUBMODULE, _LINK}:
            path = into / os.fsdecode(entry.path)
            path.write_bytes(_read_object(repo, entry.id))
            path.chmod(0o755 if entry.mode == _EXECUTABLE else 0o644)
    for entry in entries:
        if entry.mode == _LINK:
            (into / os.fsdecode(entry.path)).symlink_to(os.fsdecode(_read_object(repo, entry.id)))


def _list_tree(repo: Repo, source: Source) -> list[TreeEntry]:
    """All paths of a source's commit, folders included and before what is in them."""
    listing = repo.git.ls_tree("-r", "-t", "-z", "--full-tree", source.commit, stdout_as_string=False)
    entries = []
    for line in bytes(listing).split(b"\0"):
        if not line:
            continue
        fields, _, path = line.partition(b"\t")
        mode, _, object_id = fields.decode().split()
        if {b"", b".", b"..", b".git"} & set(path.lower().split(b"/")):
            raise ToolError(
                f"{source.name} at {source.tag} has the path {os.fsdecode(path)!r}, which git does not allow"
            )
        entries.append(TreeEntry(path=path, mode=int(mode, 8), id=object_id))
    return entries


def _commit_objects(repo: Repo, source: Source, entries: Sequence[TreeEntry]) -> Iterator[GitObject]:
    """A commit, its trees and its blobs, each once."""
    root_tree = repo.commit(source.commit).tree.hexsha
    kinds: dict[str, ObjectKind] = {source.commit: "commit", root_tree: "tree"}
    kinds |= {
        entry.id: "tree" if entry.mode == _FOLDER else "blob" for entry in entries if entry.mode != _SUBMODULE
    }
    for object_id, kind in kinds.items():
        yield GitObject(kind=kind, id=object_id, content=_read_object(repo, object_id))


def _read_object(repo: Repo, object_id: str) -> bytes:
    return bytes(repo.odb.stream(bytes.fromhex(object_id)).read())
