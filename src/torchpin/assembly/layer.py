"""A layer of an image, made from wheels: the tar archive of what they install.

Its bytes follow from the wheels, the environment's place and the time of the image alone, whoever makes it and wherever.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Literal

from torchpin.assembly import compression as compressing
from torchpin.assembly import tar
from torchpin.assembly.archive import WheelError
from torchpin.assembly.wheel import parent_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torchpin.assembly.compression import Compression
    from torchpin.assembly.wheel import InstalledWheel, TreeFile, VenvLayout
    from torchpin.model import Artifact

LayerContent = Literal["wheels", "bytecode", "wheels and bytecode"]

# Of what this package makes of a wheel: another number makes every layer anew.
FORMAT = 1
_CHUNK = 1 << 20
_FOLDER, _FILE, _EXECUTABLE = 0o755, 0o644, 0o755


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerPlan:
    """A layer that is to be made: a name for messages, and the wheels, of which a later one wins where two have the same file.

    `content` is what of the wheels is in it: what they install, their bytecode, or both.
    """

    name: str
    wheels: tuple[Artifact, ...]
    content: LayerContent = "wheels"


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerBlob:
    """A layer: its file, and the digests (`sha256:…`) and sizes in bytes of that file and of the tar archive in it."""

    name: str
    path: str
    digest: str
    size: int
    media_type: str
    diff_id: str
    uncompressed: int


def layer_key(
    plan: LayerPlan, layout: VenvLayout, *, epoch: int, compression: Compression, bytecode: str = ""
) -> str:
    """The hash, 64 hexadecimal digits, of all that the bytes of a layer depend on; its name is not part of it.

    `bytecode` is what compiles bytecode.
    """
    parts = [
        *(str(FORMAT), layout.root, layout.python, str(epoch)),
        *(compression, compressing.compression_version(compression)),
        *(() if plan.content == "wheels" else (plan.content, bytecode)),
        *(f"{wheel.name} {wheel.sha256}" for wheel in plan.wheels),
    ]
    return sha256("\n".join(parts).encode()).hexdigest()


def layer_chunks(wheels: Sequence[InstalledWheel], layout: VenvLayout, *, epoch: int) -> Iterator[memoryview]:
    """The tar archive of what wheels install, in chunks of a megabyte, of which the last is smaller.

    Raises WheelError for wheels that do not fit together, and for a damaged one.
    """
    return _rechunk(_members(wheels, layout.root.strip("/"), epoch))


def _members(wheels: Sequence[InstalledWheel], root: str, epoch: int) -> Iterator[bytes]:
    files = {path: (file, wheel) for wheel in wheels for path, file in wheel.files.items()}
    folders = {folder for wheel in wheels for folder in wheel.folders} | parent_folders(chain(files))
    folders |= parent_folders(chain(folders))
    if both := sorted(folders & files.keys()):
        raise WheelError(files[both[0]][1].archive.filename, f"{both[0]} is a folder of another wheel")
    above = {*parent_folders(iter([root])), root}
    paths = {
        **dict.fromkeys(above),
        **{f"{root}/{folder}": None for folder in folders},
        **{f"{root}/{path}": entry for path, entry in files.items()},
    }
    for path, entry in sorted(paths.items(), key=lambda item: item[0]):
        if entry is None:
            yield tar.header(path, size=0, mode=_FOLDER, time=epoch, folder=True)
        else:
            file, wheel = entry
            mode = _EXECUTABLE if file.executable else _FILE
            yield tar.header(path, size=file.size, mode=mode, time=epoch)
            yield from _content(file, wheel)
            yield tar.padding(file.size)
    yield tar.END


def _content(file: TreeFile, wheel: InstalledWheel) -> Iterable[bytes]:
    return [file.content] if file.content is not None else wheel.archive.chunks(file.member)


def _rechunk(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """The same bytes in chunks of one size, wherever the parts end: what compresses them cuts where it gets them."""
    waiting: list[bytes | memoryview] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size < _CHUNK:
            continue
        joined = memoryview(b"".join(waiting))
        end = size - size % _CHUNK
        for start in range(0, end, _CHUNK):
            yield joined[start : start + _CHUNK]
        waiting, size = [joined[end:]], size - end
    if size:
        yield memoryview(b"".join(waiting))
