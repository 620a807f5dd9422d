"""The files of the repository that images get a copy of: which they are, their digest, and what cannot be copied."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Literal

from torchpin import paths
from torchpin.errors import InputError, ToolError, TorchpinError, os_error_reason
from torchpin.facts.secrets import is_secret_file
from torchpin.model import Problem
from torchpin.tools.files import KINDS, PRIVATE_FILES, expect_inside, read_inside
from torchpin.tools.ignore_patterns import ignore_matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torchpin.model import CopiedFiles, Service

# Of one entry of `files:`. Code has far less; models and data sets belong on a volume, and not into each image's layers.
MOST_BYTES, MOST_FILES = 2_000_000_000, 100_000
_ALWAYS_IGNORED = ("**/__pycache__", "**/*.pyc", "**/*.pyo")  # written by whoever runs the code
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file, folder or link of a tree: its path in the tree ("" is the tree itself), its mode in the image, its place here."""

    path: str
    kind: Literal["file", "folder", "link"]
    mode: int
    place: Path
    link: str = ""


@dataclass(kw_only=True, slots=True)
class _Walk:
    """What is left out of a folder, and what was seen of it so far."""

    root: Path
    origin: str
    patterns: tuple[
        tuple[Callable[[str], bool], str, bool], ...
    ]  # matcher, what its paths begin with, has exceptions
    left_out: frozenset[str]
    members: list[Member] = field(default_factory=list)
    size: int = 0

    def is_ignored(self, path: str) -> bool:
        """`path` is that in the folder."""
        if {*path.split("/")} & PRIVATE_FILES or f"{self.origin}/{path}" in self.left_out:
            return True
        return any(matches(f"{prefix}{path}") for matches, prefix, _ in self.patterns)

    def may_be_pruned(self, path: str) -> bool:
        """Whether nothing in an ignored folder comes back by an exception (`!`)."""
        return path.rsplit("/", 1)[-1] in PRIVATE_FILES or any(
            matches(f"{prefix}{path}") and not has_exceptions
            for matches, prefix, has_exceptions in self.patterns
        )


def find_problem(root: Path, service: Service, entry: CopiedFiles) -> str:
    """Why an entry cannot be copied, "" if nothing is in the way; a folder is not looked into."""
    try:
        place = _expect_existing(root, service, entry)
        if place.is_file():
            _require_content(place, entry.origin)
    except TorchpinError as error:
        return _from_root(root, str(error))
    except OSError as error:
        return _from_root(root, os_error_reason(error))
    return ""


def _from_root(root: Path, message: str) -> str:
    """A message with the files of the repository as descriptions name them: by their paths from its root."""
    for folder in {str(root), os.path.realpath(root)}:
        message = message.replace(f"{folder}/", "").replace(
            f"link out of {folder}", "link out of the repository"
        )
    return message


def copy_problem(root: Path, service: Service, entry: CopiedFiles, left_out: Iterable[str]) -> str:
    """Why an entry cannot be copied, "" if nothing is in the way; every file of a folder is looked at."""
    try:
        list_members(root, service, entry, left_out)
    except TorchpinError as error:
        return _from_root(root, str(error))
    return ""


def copied_digests(
    root: Path, service: Service, copied: Mapping[str, CopiedFiles], left_out: Iterable[str]
) -> dict[str, str]:
    """The digest of each entry of `files:` by its path in the build context, in their order in `copied`.

    Raises InputError with all that cannot be copied.
    """
    digests, problems = {}, []
    for number, (context_path, entry) in enumerate(copied.items()):
        try:
            digests[context_path] = tree_digest(list_members(root, service, entry, left_out), read_member)
        except TorchpinError as error:
            is_listed = number < len(
                service.files
            )  # behind them are the folders that wheels are compiled from
            path = f"files[{number}].from" if is_listed else "build.wheels"
            message = _from_root(root, str(error))
            problems.append(Problem(position=service.position(path), path=path, message=message))
    if problems:
        raise InputError("correct these first; nothing was built", problems)
    return digests


def copy_members(members: Iterable[Member], into: Path) -> str:
    """Copies a tree to a path that does not exist yet, with the modes of the image; its digest.

    Raises ToolError for a file that cannot be read.
    """
    listed = [*members]
    for member in listed:  # folders first, then files, links last, so that nothing is written through a link
        if member.kind == "folder":
            (into / member.path if member.path else into).mkdir(parents=True)
    into.parent.mkdir(parents=True, exist_ok=True)

    def read_and_write(member: Member) -> Iterator[bytes]:
        target = into / member.path if member.path else into
        with target.open("wb") as file:
            for chunk in read_member(member):
                file.write(chunk)
                yield chunk
        target.chmod(member.mode)

    digest = tree_digest(listed, read_and_write)
    for member in reversed(listed):
        target = into / member.path if member.path else into
        if member.kind == "link":
            target.symlink_to(member.link)
        elif member.kind == "folder":
            target.chmod(member.mode)
    return digest


def list_members(
    root: Path, service: Service, entry: CopiedFiles, left_out: Iterable[str] = ()
) -> tuple[Member, ...]:
    """What an entry copies, sorted by path; folders only with files in them, as git has them.

    Raises InputError for what does not exist, is left out altogether, leads out of the folder, may be a secret, is a pointer
    of Git LFS, is too much, or is not a file.
    """
    place = _expect_existing(root, service, entry)
    walk = _Walk(
        root=root,
        origin=entry.origin,
        patterns=_patterns(root, entry),
        left_out=frozenset(left_out),
    )
    try:
        if not place.is_dir():
            _require_content(place, entry.origin)
            _require_not_ignored(walk, entry)
            _require_size(place.stat().st_size, entry)
            return (Member(path="", kind="file", mode=_file_mode(place, entry), place=place),)
        for path, dir_entry in _walk_folder(place, "", walk):
            _add_member(walk, entry, path, dir_entry)
    except OSError as error:
        raise InputError(os_error_reason(error)) from None
    if not walk.members:
        raise InputError(
            f"nothing of {entry.origin} is left by `ignore` and {paths.DOCKERIGNORE}; correct these, or leave it out"
        )
    return _with_folders(walk.members, place, entry)


def _expect_existing(root: Path, service: Service, entry: CopiedFiles) -> Path:
    try:
        place = expect_inside(root, entry.origin)
    except ToolError as error:
        raise InputError(str(error)) from None
    if place.is_dir() or place.is_file():
        return place
    if place.exists():
        kind = KINDS.get(stat.S_IFMT(place.stat().st_mode), "something else")
        raise InputError(f"{entry.origin} is {kind}, not a file or folder; name another one")
    raise InputError(f"{entry.origin} does not exist; {_missing_advice(root, service, entry.origin)}")


def _missing_advice(root: Path, service: Service, origin: str) -> str:
    in_service_folder = f"{paths.service_folder(service.name)}/{origin}"
    if (root / in_service_folder).exists():
        return f"paths are from the root of the repository, so write {in_service_folder}"
    folder, _, name = origin.rpartition("/")
    names = [path.name for path in (root / folder).glob("*")]
    near = get_close_matches(name, names, n=1)
    return (
        f"did you mean {f'{folder}/' if folder else ''}{near[0]}?" if near else "add it, or correct the path"
    )


def _patterns(root: Path, entry: CopiedFiles) -> tuple[tuple[Callable[[str], bool], str, bool], ...]:
    lines = (line.strip() for line in (read_inside(root, paths.DOCKERIGNORE) or "").splitlines())
    shared = [line for line in lines if line and not line.startswith("#")]
    listed = [*_ALWAYS_IGNORED, *entry.ignore]
    return tuple(
        (ignore_matcher(patterns), prefix, any(pattern.startswith("!") for pattern in patterns))
        for patterns, prefix in ((listed, ""), (shared, f"{entry.origin}/"))
        if patterns
    )


def _require_not_ignored(walk: _Walk, entry: CopiedFiles) -> None:
    for matches, prefix, _ in walk.patterns:
        if prefix and matches(entry.origin):
            raise InputError(
                f"{entry.origin} is left out by {paths.DOCKERIGNORE}; add `!{entry.origin}` at its end"
            )


def _walk_folder(folder: Path, path: str, walk: _Walk) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What is in a folder and not ignored, but for folders, with its path in the tree."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda dir_entry: dir_entry.name)
    for dir_entry in listed:
        inner = f"{path}{dir_entry.name}"
        is_ignored = walk.is_ignored(inner)
        if dir_entry.is_dir(follow_symlinks=False):
            if not (is_ignored and walk.may_be_pruned(inner)):
                yield from _walk_folder(folder / dir_entry.name, f"{inner}/", walk)
        elif not is_ignored:
            yield inner, dir_entry


def _add_member(walk: _Walk, entry: CopiedFiles, path: str, dir_entry: os.DirEntry[str]) -> None:
    shown, place = f"{entry.origin}/{path}", Path(dir_entry.path)
    if len(walk.members) >= MOST_FILES:
        raise InputError(f"{entry.origin} has more than {MOST_FILES} files; leave some out with `ignore`")
    if dir_entry.is_symlink():
        link = str(place.readlink())
        if link.startswith("/") or normpath(f"{path}/../{link}").split("/")[0] == "..":
            raise InputError(
                f"{shown} is a link out of {entry.origin}, to {link}; copy what it leads to with an entry of its own, or "
                "leave it out with `ignore`"
            )
        walk.members.append(Member(path=path, kind="link", mode=0o777, place=place, link=link))
        return
    status = dir_entry.stat(follow_symlinks=False)
    kind = KINDS.get(stat.S_IFMT(status.st_mode))
    if kind:
        raise InputError(f"{shown} is {kind}, not a file; leave it out with `ignore`")
    if is_secret_file(dir_entry.name):
        raise InputError(
            f"{shown} may hold secrets, which everybody reads who has the image; leave it out with `ignore`, and pass it with "
            "`run.env_file` or `run.secrets`, or copy it with an entry of its own if it holds none"
        )
    _require_content(place, shown)
    walk.size += status.st_size
    _require_size(walk.size, entry)
    walk.members.append(Member(path=path, kind="file", mode=_file_mode(place, entry), place=place))


def _require_size(size: int, entry: CopiedFiles) -> None:
    if size > MOST_BYTES:
        raise InputError(
            f"{entry.origin} has more than {MOST_BYTES / 1e9:g} GB; leave models and data out, and mount them as a volume"
        )


def _require_content(place: Path, shown: str) -> None:
    if place.stat().st_size >= _CHUNK:
        return
    with place.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{shown} is a pointer of Git LFS, not the file; run `git lfs pull`, then try again"
            )


def _file_mode(place: Path, entry: CopiedFiles) -> int:
    if entry.mode:
        return int(entry.mode, 8)
    return 0o755 if place.stat().st_mode & stat.S_IXUSR else 0o644


def _with_folders(members: Iterable[Member], place: Path, entry: CopiedFiles) -> tuple[Member, ...]:
    mode = int(entry.mode, 8) if entry.mode else 0o755
    mode |= (mode & 0o444) >> 2  # who can list a folder can enter it
    listed = {member.path: member for member in members}
    folders = {
        path[:slash]
        for path in listed
        for slash in (0, *(index for index, char in enumerate(path) if char == "/"))
    }
    listed |= {path: Member(path=path, kind="folder", mode=mode, place=place / path) for path in folders}
    return tuple(listed[path] for path in sorted(listed))


def read_member(member: Member) -> Iterator[bytes]:
    """The content of a file, in parts. Raises ToolError for what is no longer a file, since a link is not followed."""
    try:
        handle = os.open(member.place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ToolError(f"{member.place} is no longer a file; try again")
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise ToolError(f"{os_error_reason(error)}; try again") from None


def tree_digest(members: Iterable[Member], read: Callable[[Member], Iterator[bytes]]) -> str:
    """The digest of a tree: paths, kinds, modes and contents, nothing else."""
    whole = hashlib.sha256()
    for member in members:
        content = hashlib.sha256(os.fsencode(member.link))
        if member.kind == "file":
            for chunk in read(member):
                content.update(chunk)
        line = [member.path, member.kind, f"{member.mode:o}", content.hexdigest()]
        whole.update(json.dumps(line).encode() + b"\n")
    return f"sha256:{whole.hexdigest()}"
