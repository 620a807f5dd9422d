"""The layers of an image that nothing has to run for: its sources, torchpin's scripts with the smoke test, copied files."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from torchpin.assembly import tar
from torchpin.assembly.image import digest
from torchpin.assembly.wheel import parent_folders
from torchpin.errors import ToolError
from torchpin.image.plan import SMOKE_TEST
from torchpin.tools import copied_files
from torchpin.tools.copied_files import Member
from torchpin.tools.package_files import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.assembly.layer import LayerBlob
    from torchpin.image.plan import BuildContext, CopyStep, Image
    from torchpin.tools.prefix_layers import PrefixLayers

_RUNTIME = "runtime/"  # in a build context
_FOLDER, _FILE, _EXECUTABLE = 0o755, 0o644, 0o755


@dataclass(frozen=True, kw_only=True, slots=True)
class CopiedLayers:
    """Makes the layers of one image. `root` is the repository, `copied` the digests of its files by their place in `context`.

    `scratch` is a folder for files until they are kept in `store`.
    """

    root: Path
    image: Image
    context: BuildContext
    copied: Mapping[str, str]
    store: PrefixLayers
    scratch: Path

    def make(self) -> list[tuple[LayerBlob, str]]:
        """The layers, the lowest first, each with what made it. Raises ToolError for what cannot be read, or has changed."""
        return [*self._sources(), (self._scripts(), "torchpin's files"), *self._files()]

    def _sources(self) -> Iterator[tuple[LayerBlob, str]]:
        from torchpin.tools import git_export  # GitPython takes a tenth of a second

        for source, home in self.image.sources:
            folder = self.scratch / "source"
            git_export.export_clone(self.root, source, folder / source.name)
            yield self._tree(list_tree(folder / source.name), home)[0], f"source: {source.name}"

    def _scripts(self) -> LayerBlob:
        home = self.image.service.home
        texts = {
            f"opt/torchpin/{path.removeprefix(_RUNTIME)}": text
            for path, text in self.context.files.items()
            if path.startswith(_RUNTIME)
        }
        texts[f"{home.strip('/')}/{SMOKE_TEST}"] = self.context.files[SMOKE_TEST]
        content = text_tar(texts, epoch=self.image.epoch)
        return self.store.add(digest(content), io.BytesIO(content))

    def _files(self) -> Iterator[tuple[LayerBlob, str]]:
        for step in self.image.files:
            yield self._copied(step), f"files: {step.origin}"

    def _copied(self, step: CopyStep) -> LayerBlob:
        entry = self.context.copied[step.context]
        members = copied_files.list_members(self.root, self.image.service, entry, self.context.left_out)
        blob, content = self._tree(members, step.target)
        if content != self.copied[step.context]:
            raise ToolError(f"{entry.origin} changed while the image was assembled; build again")
        return blob

    def _tree(self, members: tuple[Member, ...], target: str) -> tuple[LayerBlob, str]:
        """The layer that has a tree at a path of the image, and the digest of the tree."""
        path = self.scratch / "layer.tar"
        with path.open("wb") as file:
            content = write_tree(members, target, file, epoch=self.image.epoch)
        with path.open("rb") as file:
            return self.store.add(f"sha256:{file_digest(path)}", file), content


def text_tar(texts: Mapping[str, str], *, epoch: int) -> bytes:
    """The tar of texts by their paths in the image, of which scripts are executable, with the folders above them."""
    parts = [_folder_header(path, epoch) for path in sorted(parent_folders(iter(texts)))]
    for path, text in sorted(texts.items()):
        content = text.encode()
        mode = _EXECUTABLE if text.startswith("#!") else _FILE
        parts += [
            tar.header(path, size=len(content), mode=mode, time=epoch),
            content,
            tar.padding(len(content)),
        ]
    return b"".join([*parts, tar.END])


def write_tree(members: tuple[Member, ...], target: str, file: IO[bytes], *, epoch: int) -> str:
    """Write the tar of a tree at a path of the image, with the folders above it; the digest of the tree.

    Raises ToolError for a file that cannot be read, or changes meanwhile.
    """
    place = target.strip("/")
    paths = {member: f"{place}/{member.path}".rstrip("/") for member in members}
    for path in sorted(parent_folders(iter([place]))):
        file.write(_folder_header(path, epoch))
    for member, path in paths.items():
        if member.kind == "folder":
            file.write(_folder_header(path, epoch, member.mode))

    def read_and_write(member: Member) -> Iterator[bytes]:
        size, written = member.place.lstat().st_size, 0
        file.write(tar.header(paths[member], size=size, mode=member.mode, time=epoch))
        for chunk in copied_files.read_member(member):
            written += file.write(chunk)
            yield chunk
        if written != size:
            raise ToolError(f"{member.place} changed while the image was assembled; build again")
        file.write(tar.padding(size))

    content = copied_files.tree_digest(members, read_and_write)
    for member, path in paths.items():
        if member.kind == "link":
            file.write(tar.header(path, size=0, mode=member.mode, time=epoch, link=member.link))
    file.write(tar.END)
    return content


def _folder_header(path: str, epoch: int, mode: int = _FOLDER) -> bytes:
    return tar.header(path, size=0, mode=mode, time=epoch, folder=True)


def list_tree(folder: Path) -> tuple[Member, ...]:
    """All of a folder, sorted by path, with git's modes, whatever the umask is."""
    members = [Member(path="", kind="folder", mode=_FOLDER, place=folder)]
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            place = Path(parent, name)
            path, status = place.relative_to(folder).as_posix(), place.lstat()
            if stat.S_ISLNK(status.st_mode):
                link = str(place.readlink())
                members.append(Member(path=path, kind="link", mode=0o777, place=place, link=link))
            elif stat.S_ISDIR(status.st_mode):
                members.append(Member(path=path, kind="folder", mode=_FOLDER, place=place))
            else:
                mode = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _FILE
                members.append(Member(path=path, kind="file", mode=mode, place=place))
    return tuple(sorted(members, key=lambda member: member.path))
