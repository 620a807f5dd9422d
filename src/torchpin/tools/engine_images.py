"""Images between the Docker engine and files: what an engine has built, what it gets, and what it verifies."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from torchpin.assembly import tar
from torchpin.assembly.compression import plain
from torchpin.assembly.image import archive_documents, blob_path, chain_ids
from torchpin.assembly.proof import PROOF_DOCUMENT
from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.tools import scratch
from torchpin.tools.docker import RUN_LABEL, await_container, engine_errors, remove_tags, short_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torchpin.assembly.image import AssembledImage, ImageLayer
    from torchpin.assembly.proof import Proof
    from torchpin.progress import Step
    from torchpin.tools.docker import Client

ASSEMBLED_LABEL = "io.torchpin.assembled"
CANDIDATE_LABEL = "io.torchpin.candidate"  # of an image that is not verified yet: the process that does so
_CONTAINERD_STORE = (
    "io.containerd.snapshotter.v1"  # of the engine's description; the older store has graph drivers
)
_CHUNK, _MODE = 1 << 20, 0o644
_SCRATCH_OPTIONS = "rw,exec,nosuid,nodev,mode=1777"  # as BuildKit mounts a tmpfs in a step


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineLayers:
    """The layers that an engine has: `chains` with what lies below them, `blobs` as the registry's blobs of assembled images."""

    keeps_blobs: bool
    chains: frozenset[str]
    blobs: frozenset[str]

    def missing(self, image: AssembledImage) -> tuple[ImageLayer, ...]:
        """The layers that an engine has to get. A layer that it has built is no blob yet where it keeps blobs."""
        if self.keeps_blobs:
            return tuple(layer for layer in image.layers if layer.diff_id not in self.blobs)
        chains = chain_ids([layer.diff_id for layer in image.layers])
        pairs = zip(image.layers, chains, strict=True)
        return tuple(layer for layer, chain in pairs if chain not in self.chains)


def keeps_blobs(client: Client) -> bool:
    """Whether an engine has the containerd image store, which keeps the blobs and the manifest of an image as they are."""
    return _CONTAINERD_STORE in str(client.info().get("DriverStatus"))


def engine_layers(client: Client) -> EngineLayers:
    """The layers of an engine's images. `blobs` are those of the images that have this release's label."""
    chains: set[str] = set()
    blobs: set[str] = set()
    for row in client.api.images(all=True):
        with suppress(*engine_errors()):  # removed meanwhile
            attributes = client.images.get(row["Id"]).attrs
            diff_ids = attributes.get("RootFS", {}).get("Layers") or []
            chains.update(chain_ids(diff_ids))
            if ASSEMBLED_LABEL in ((attributes.get("Config") or {}).get("Labels") or {}):
                blobs.update(diff_ids)
    return EngineLayers(keeps_blobs=keeps_blobs(client), chains=frozenset(chains), blobs=frozenset(blobs))


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedImage:
    """An image that an engine wrote into an archive: its configuration, and its layers by their diff ids."""

    config: Mapping[str, Any]
    archive: tarfile.TarFile
    paths: Mapping[str, str]

    @contextmanager
    def layer(self, diff_id: str) -> Iterator[IO[bytes]]:
        """The tar of a layer, not compressed."""
        content = self.archive.extractfile(self.paths[diff_id])
        assert content  # noqa: S101 - a file, since its manifest was read
        with content, plain(content) as tar:
            yield tar


@contextmanager
def saved_image(client: Client, identity: str, folder: Path) -> Iterator[SavedImage]:
    """An image out of an engine, by way of a file in `folder`. Raises ToolError for an archive that is not as engines write it."""
    path = folder / "saved.tar"
    with path.open("wb") as file:
        for chunk in client.api.get_image(identity, chunk_size=_CHUNK):
            file.write(chunk)
    try:
        with tarfile.open(path) as archive:
            (manifest,) = parse_json(_read_member(archive, "manifest.json"))
            config = parse_json(_read_member(archive, manifest["Config"]))
            diff_ids = config["rootfs"]["diff_ids"]
            saved = dict(zip(diff_ids, manifest["Layers"], strict=True))
            yield SavedImage(config=config, archive=archive, paths=saved)
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"the Docker engine wrote {identity} as an unknown kind of archive: {error}"
        ) from None


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    return content.read() if content else b""


def load(
    client: Client,
    image: AssembledImage,
    path_of: Callable[[str], Path],
    tags: Sequence[str] = (),
    *,
    running: Step | None = None,
) -> str:
    """Give an engine an image with its tags, and return the engine's id of it.

    `path_of` gives the file of a blob by its digest. Layers that the engine has are left out; should it have lost one
    meanwhile, all are sent. `running` is advanced by the bytes of what is sent. Raises ToolError when the engine does not take it.
    """
    missing = engine_layers(client).missing(image)
    try:
        return _load(client, image, missing, path_of, tags, running)
    except engine_errors() as error:
        remove_tags(client, tags)
        if len(missing) == len(image.layers):
            raise ToolError(f"the Docker engine takes no assembled image: {short_message(error)}") from None
    return _load(client, image, image.layers, path_of, tags, running)


def _load(
    client: Client,
    image: AssembledImage,
    layers: Sequence[ImageLayer],
    path_of: Callable[[str], Path],
    tags: Sequence[str],
    running: Step | None,
) -> str:
    files = {blob_path(layer.digest): path_of(layer.digest) for layer in layers}
    chunks = archive_chunks(archive_documents(image, tags), files)
    total = sum(layer.size for layer in layers)
    # the stubs know of files and bytes alone
    archive: Any = _counted(chunks, total, running) if running else chunks
    loaded = client.images.load(archive)
    return str(loaded[0].id)


def _counted(chunks: Iterable[bytes], total: int, running: Step) -> Iterator[bytes]:
    """The chunks of an archive, counted on a step. Its headers are not part of `total`, the bytes of its layers."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        running.advance(min(done, total), total=total)


def remove(client: Client, identity: str) -> None:
    """Remove an image without tags; one that is gone, or that a container uses, is passed over."""
    with suppress(*engine_errors()):
        client.images.remove(identity)


def remove_abandoned(client: Client) -> int:
    """Remove the images that commands which were killed have not verified; their number."""
    removed = 0
    for image in client.images.list(filters={"label": CANDIDATE_LABEL}):
        owner = scratch.parse_owner(image.labels.get(CANDIDATE_LABEL, ""))
        if owner and scratch.is_abandoned(owner):
            remove(client, str(image.id))
            removed += 1
    return removed


def archive_chunks(documents: Mapping[str, bytes], files: Mapping[str, Path]) -> Iterator[bytes]:
    """A tar of documents and files by their paths in it, piece by piece."""
    for path, content in documents.items():
        yield tar.header(path, size=len(content), mode=_MODE, time=0)
        yield content + tar.padding(len(content))
    for path, file in files.items():
        size = 0
        with file.open("rb") as stream:
            yield tar.header(path, size=file.stat().st_size, mode=_MODE, time=0)
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                yield chunk
        yield tar.padding(size)
    yield tar.END


def prove(client: Client, identity: str, proof: Proof, contents: Mapping[str, str]) -> bytes:
    """Run an image's proof in a container without network, and return its report.

    `contents` are the texts of the build context by their paths. Raises ToolError, with the last lines, where the proof fails.
    """
    try:
        container = client.containers.create(
            identity, [proof.script], entrypoint=["/bin/sh", "-c"], user=proof.user or None,
            network_mode="none", labels=[RUN_LABEL], healthcheck={"test": ["NONE"]},
            tmpfs=dict.fromkeys(proof.scratch, _SCRATCH_OPTIONS),
        )  # fmt: skip
    except engine_errors() as error:
        raise ToolError(f"the proof cannot run: {short_message(error)}") from None
    try:
        files = {target.lstrip("/"): contents[source].encode() for target, source in proof.files.items()}
        container.put_archive("/", b"".join(archive_chunks(files, {})))
        container.start()
        await_container(container, "the assembled image", "proof")
        return _read_file(container, PROOF_DOCUMENT)
    except engine_errors() as error:
        raise ToolError(f"the proof cannot run: {short_message(error)}") from None
    finally:
        container.remove(force=True)


def _read_file(container: Any, path: str) -> bytes:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return _read_member(archive, path.rpartition("/")[2])
