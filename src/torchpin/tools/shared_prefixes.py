"""The layers of prefixes that services share, without an engine's archive of the image wherever that can be.

`docker save` writes the whole base image. What packages leave that are built from source lies in the environment, so it is
read out of a container that is never started, and becomes a layer whose bytes follow from the files alone.
"""

from __future__ import annotations

import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from torchpin.assembly import tar
from torchpin.assembly.compression import plain
from torchpin.assembly.image import ENVIRONMENT_STEP, OWN_STEP
from torchpin.assembly.wheel import parent_folders
from torchpin.errors import ToolError
from torchpin.tools.docker import engine_errors, short_message
from torchpin.tools.engine_images import saved_image
from torchpin.tools.package_files import file_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from torchpin.assembly.layer import LayerBlob
    from torchpin.tools.docker import Client
    from torchpin.tools.prefix_layers import PrefixLayers

# Its path in the image, its kind and mode, and the digest of its content or where a link leads.
Entry = tuple[str, str, int, str]
_ABOVE, _ENVIRONMENT = "opt", "opt/venv"
_FROM_SOURCE = "/run/torchpin/layers/"  # in the steps that install packages of which there are sources only
_IN_ENVIRONMENT = (
    ENVIRONMENT_STEP,
    " -m compileall ",
    "/run/torchpin/wheels",
)  # in other steps that write there
_CHUNK = 1 << 20
_FOLDER = 0o755


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedPrefix:
    """A prefix in an engine. `epoch` is the time of its files, `scratch` a folder for files until they are kept in `store`."""

    client: Client
    identity: str
    store: PrefixLayers
    scratch: Path
    epoch: int

    def read(self) -> tuple[Mapping[str, Any], list[LayerBlob]]:
        """Its configuration and its layers, which are kept. Raises ToolError where the engine has another image, or fails."""
        config = self._describe()
        steps = [entry["created_by"] for entry in config["history"]]
        layers = list(zip(config["rootfs"]["diff_ids"], steps, strict=True))
        engine_layers = [(diff_id, step) for diff_id, step in layers if _FROM_SOURCE not in step]
        blobs = self._of_engine([diff_id for diff_id, _ in engine_layers])
        if len(engine_layers) < len(layers):
            environment_blobs = [
                blob
                for blob, (_, step) in zip(blobs, engine_layers, strict=True)
                if any(text in step for text in _IN_ENVIRONMENT)
            ]
            number = next(number for number, (_, step) in enumerate(layers) if _FROM_SOURCE in step)
            blobs.insert(number, self._from_source(environment_blobs))
            engine_layers.insert(number, ("", "; ".join(step for _, step in layers if _FROM_SOURCE in step)))
        config["rootfs"]["diff_ids"] = [blob.diff_id for blob in blobs]
        config["history"] = [{"created_by": step} for _, step in engine_layers]
        return config, blobs

    def _describe(self) -> dict[str, Any]:
        api: Any = self.client.api  # the stubs do not say what its history is
        return described_config(self.client.images.get(self.identity).attrs, api.history(self.identity))

    def _of_engine(self, diff_ids: list[str]) -> list[LayerBlob]:
        """Layers as the engine has them; where one is not kept, the engine writes all of the image."""
        blobs = {diff_id: self.store.read(diff_id) for diff_id in diff_ids}
        missing = [diff_id for diff_id, blob in blobs.items() if blob is None]
        if missing:
            with saved_image(self.client, self.identity, self.scratch) as saved:
                for diff_id in missing:
                    with saved.layer(diff_id) as content:
                        blobs[diff_id] = self.store.add(diff_id, content)
        return [blob for diff_id in diff_ids if (blob := blobs[diff_id])]

    def _from_source(self, environment_blobs: list[LayerBlob]) -> LayerBlob:
        """The layer of what the environment has beyond some other layers."""
        present: set[Entry] = set()
        for blob in environment_blobs:
            with (
                Path(blob.path).open("rb") as packed,
                plain(packed) as content,
                tarfile.open(fileobj=content, mode="r|") as archive,
            ):
                present |= {_entry(archive, member, member.name) for member in archive}
        with self._environment() as environment, (self.scratch / "layer.tar").open("w+b") as layer:
            write_new(environment, present, layer, epoch=self.epoch)
            layer.seek(0)
            return self.store.add(f"sha256:{file_digest(Path(layer.name))}", layer)

    @contextmanager
    def _environment(self) -> Iterator[IO[bytes]]:
        """The tar of the environment's folder."""
        try:
            container = self.client.containers.create(self.identity, ["never started"], network_mode="none")
            try:
                chunks, _ = container.get_archive(f"/{_ENVIRONMENT}", chunk_size=_CHUNK)
                with (self.scratch / "environment.tar").open("w+b") as file:
                    for chunk in chunks:
                        file.write(chunk)
                    file.seek(0)
                    yield file
            finally:
                container.remove(force=True)
        except engine_errors() as error:
            raise ToolError(f"the prefix cannot be read: {short_message(error)}") from None


def described_config(attributes: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an engine says of a prefix, as in a configuration: what made each layer, "" for those of the base image.

    `history` has the newest step first.
    """
    commands = [str(row["CreatedBy"]) for row in reversed(history)]
    steps = [command for command in commands if command.startswith("RUN ") and OWN_STEP in command]
    diff_ids = [*attributes["RootFS"]["Layers"]]
    base = [""] * (len(diff_ids) - len(steps))
    return {
        "rootfs": {"diff_ids": diff_ids},
        "history": [{"created_by": step} for step in (*base, *steps)],
        "config": attributes["Config"],
    }


def write_new(environment: IO[bytes], present: Collection[Entry], layer: IO[bytes], *, epoch: int) -> None:
    """Write the layer of what is in the tar of an environment and not in `present`, in the order of the paths.

    All of it is root's. Raises ToolError for what is no file, folder or link.
    """
    with tarfile.open(fileobj=environment) as archive:
        paths = {f"{_ABOVE}/{member.name.strip('/')}": member for member in archive}
        new = {path: member for path, member in paths.items() if _entry(archive, member, path) not in present}
        folders = dict.fromkeys(parent_folders(iter(new)))
        for path, member in sorted({**folders, **new}.items()):
            if member is None:
                layer.write(tar.header(path, size=0, mode=_FOLDER, time=epoch, folder=True))
            else:
                _write_member(archive, member, path, layer, epoch)
    layer.write(tar.END)


def _write_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, layer: IO[bytes], epoch: int
) -> None:
    mode = member.mode & 0o7777
    if member.isdir():
        layer.write(tar.header(path, size=0, mode=mode, time=epoch, folder=True))
    elif member.issym():
        layer.write(tar.header(path, size=0, mode=mode, time=epoch, link=member.linkname))
    else:
        size = archive.getmember(member.linkname).size if member.islnk() else member.size
        layer.write(tar.header(path, size=size, mode=mode, time=epoch))
        for chunk in _chunks(archive, member):
            layer.write(chunk)
        layer.write(tar.padding(size))


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Entry:
    mode = member.mode & 0o7777
    if member.isdir():
        return path, "folder", mode, ""
    if member.issym():
        return path, "link", mode, member.linkname
    content = sha256()
    for chunk in _chunks(archive, member):
        content.update(chunk)
    return path, "file", mode, content.hexdigest()


def _chunks(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """The content of a file; for a hard link, that of its target."""
    content = archive.extractfile(member)
    if content is None:
        raise ToolError(f"{member.name} in the environment of the prefix is no file, folder or link")
    while chunk := content.read(_CHUNK):
        yield chunk
