"""A git commit as an archive of sources that is the same on every machine, from which a package is built."""

from __future__ import annotations

import hashlib
import os
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.description.environments import mirror_variable
from torchpin.errors import InputError, ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools import clone_bounds, files, process
from torchpin.tools.git import open_repository, require_git
from torchpin.tools.git_variables import git_variables
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.model import PackageFile, Settings

_EXECUTABLE, _LINK, _SUBMODULE = "100755", "120000", "160000"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can hold


def source_archive(root: Path, name: str, version: str, file: PackageFile, settings: Settings) -> Path:
    """The archive of a package's commit, `name-version.zip`, made once and kept in the folder of working files.

    It has what git's tree has, below one folder, and a PKG-INFO with the version, as source archives have it: builds that ask
    git for the version find it there. Its entries are stored and without times, so its hash follows from the commit alone.
    Raises InputError for what the tree lacks (a folder, submodules, files of Git LFS), ToolError where git cannot read it.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    key = hashlib.sha256(f"{file.git}\n{file.commit}\n{file.subdirectory}\n{stem}".encode()).hexdigest()
    archive = root / paths.PACKAGES / key[:32] / f"{stem}.zip"
    if archive.is_file():
        return archive
    files.expect_inside(root, paths.PACKAGES)
    files.make_work_folder(root)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder() as folder:
        _fetch(folder, name, file, settings)
        partial_file = archive.with_name(f".{archive.name}.{os.getpid()}.{key[:8]}")
        try:
            with (
                open_repository(folder) as repo,
                zipfile.ZipFile(partial_file, "w", zipfile.ZIP_STORED) as opened,
            ):
                for path, mode, content in _tree_files(repo, name, file):
                    _write_entry(opened, f"{stem}/{path}", mode, content)
                if not any(entry == f"{stem}/PKG-INFO" for entry in opened.namelist()):
                    # the first version of metadata in which it does not stand for what the build says
                    info = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                    _write_entry(opened, f"{stem}/PKG-INFO", "100644", info.encode())
            partial_file.replace(archive)
        finally:
            partial_file.unlink(missing_ok=True)
    return archive


def _write_entry(archive: zipfile.ZipFile, path: str, mode: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(path, date_time=_FIRST_DAY)
    entry.create_system = 3  # Unix, on whatever it is made
    entry.external_attr = (0o100755 if mode == _EXECUTABLE else 0o100644) << 16
    archive.writestr(entry, content)


def _tree_files(repo: Any, name: str, file: PackageFile) -> Iterator[tuple[str, str, bytes]]:
    """The path, the mode and the content of every file of a commit, below its subdirectory, in the order of git's tree."""
    prefix = f"{file.subdirectory}/" if file.subdirectory else ""
    listing = str(repo.git.ls_tree("-r", "-l", "-z", "--full-tree", file.commit))
    clone_bounds.require_small_tree(listing)
    rows = [row.partition("\t")[::2] for row in listing.split("\0") if row]
    inside = [(head.split(), path) for head, path in rows if path.startswith(prefix)]
    if not inside:
        raise InputError(
            f"{name} at {file.commit[:12]} has no folder {file.subdirectory}; correct `subdirectory`"
        )
    for (mode, _, object_id, _), path in inside:
        if mode == _SUBMODULE:
            raise InputError(
                f"{name} at {file.commit[:12]} has the submodule {path}, which is not part of its tree; build a wheel, and "
                "name it by `url` or `path`"
            )
        if mode == _LINK:
            raise InputError(
                f"{name} at {file.commit[:12]} has the link {path}, which an archive of sources does not have; build a wheel, "
                "and name it by `url` or `path`"
            )
        if {"", ".", "..", ".git"} & {part.lower() for part in path.split("/")}:
            raise ToolError(f"{name} at {file.commit[:12]} has the path {path!r}, which git does not allow")
        content = bytes(repo.odb.stream(bytes.fromhex(object_id)).read())
        if content.startswith(_LFS_POINTER):
            raise InputError(
                f"{name} at {file.commit[:12]} has {path} as a pointer of Git LFS; build a wheel, and name it by `url` or `path`"
            )
        yield path.removeprefix(prefix), mode, content


def _fetch(folder: Path, name: str, file: PackageFile, settings: Settings) -> None:
    """A bare repository with the commit. Raises ToolError where its origin, or its mirror, does not give it."""
    require_git()
    address = settings.mirrors.get(name, file.git)
    _run_git(folder, "init", "--quiet", "--bare", ".")
    options = ("fetch", "--quiet", "--no-tags", "--end-of-options", address)
    try:
        _run_git(folder, *options[:3], "--depth=1", *options[3:], file.commit)
    except ToolError:
        # not every server gives a commit by its id
        refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        try:
            _run_git(folder, *options, *refs)
            _run_git(folder, "cat-file", "-e", f"{file.commit}^{{commit}}")
        except ToolError as error:
            message = process.indent(redact_credentials(str(error)))
            raise ToolError(
                f"{name}: {redact_credentials(address)} does not give the commit {file.commit}; check `git`, `commit` and "
                f"{mirror_variable(name)}:\n{message}"
            ) from None


def _run_git(folder: Path, *arguments: str) -> None:
    watch = partial(clone_bounds.require_small_folder, folder)
    command = ("git", "-C", str(folder), *arguments)
    completed = process.run(command, env=git_variables(), check=False, timeout=process.LONG, watch=watch)
    if completed.returncode:
        raise ToolError(completed.stderr.strip() or f"git failed with exit code {completed.returncode}")
