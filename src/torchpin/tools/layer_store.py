"""Layers of images, made from wheels and kept by what they are made of, so that the next service with the same ones has them."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Event
from typing import IO, TYPE_CHECKING, Any, Protocol

from torchpin.assembly.archive import WheelArchive, WheelError
from torchpin.assembly.bytecode import with_bytecode
from torchpin.assembly.compression import MEDIA_TYPES, compressor
from torchpin.assembly.layer import LayerBlob, layer_chunks, layer_key
from torchpin.assembly.wheel import install_wheel
from torchpin.errors import ToolError, os_error_reason
from torchpin.tools.cache import partial_file
from torchpin.tools.kept_layers import keep_layer, read_layer
from torchpin.tools.threads import thread_pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torchpin.assembly.compression import Compression, Packed
    from torchpin.assembly.layer import LayerPlan
    from torchpin.assembly.wheel import InstalledWheel, VenvLayout
    from torchpin.model import Artifact
    from torchpin.tools.bytecode import BytecodeStore
    from torchpin.tools.wheel_store import Report, WheelStore

_DOWNLOADS = 8  # at a time
_UNKNOWN = 1 << 40  # stands for a size that is not locked: those of channels, which are the largest


class Wheels(Protocol):
    """Where wheels are from: `tools.wheel_sources.WheelSources`."""

    @property
    def store(self) -> WheelStore: ...

    def fetch(self, artifact: Artifact, report: Report) -> Path: ...


class Progress(Protocol):
    """What is told of the work, from several threads: `action` is `fetch`, `make` or `reuse`; bytes of `name`, done and in all.

    `total` is 0 where it is not known; of a layer it leaves out what the archive adds, so `done` may become a little more.
    """

    def __call__(self, action: str, name: str, done: int, total: int, /) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerStore:
    """The layers below a folder, of one place, time and compression; `bytecode` is needed for plans with bytecode."""

    folder: Path
    layout: VenvLayout
    epoch: int
    compression: Compression
    bytecode: BytecodeStore | None = None

    def path(self, plan: LayerPlan) -> Path:
        """Where a layer is, or would be."""
        identity = self.bytecode.identity if self.bytecode and plan.content != "wheels" else ""
        key = layer_key(plan, self.layout, epoch=self.epoch, compression=self.compression, bytecode=identity)
        return self.folder / key[:2] / key

    def read(self, plan: LayerPlan) -> LayerBlob | None:
        """A layer that is there as it was made; None without it."""
        blob = read_layer(self.path(plan))
        return replace(blob, name=plan.name) if blob else None

    def make(self, plan: LayerPlan, paths: Sequence[Path], progress: Progress) -> LayerBlob:
        """A layer, from its wheels at some paths. Raises ToolError where a wheel is damaged or the layer cannot be written."""
        path = self.path(plan)
        with partial_file(path, lambda: self.read(plan) is not None) as part:
            if part is not None:
                part.seek(0)
                part.truncate()
                try:
                    blob = self._write(plan, paths, part, progress)
                    part.flush()
                    keep_layer(blob, path)
                except OSError as error:
                    raise ToolError(f"{plan.name}: {os_error_reason(error, str(path))}") from None
        made = self.read(plan)
        if made is None:
            raise ToolError(f"{path} was removed while it was made; try again")
        return made

    def _write(
        self, plan: LayerPlan, paths: Sequence[Path], part: IO[bytes], progress: Progress
    ) -> LayerBlob:
        plain, packed = sha256(), sha256()
        size = uncompressed = 0
        compress = compressor(self.compression)

        def write(content: Packed) -> int:
            packed.update(content)
            part.write(content)
            return len(content)

        with ExitStack() as stack:
            wheels = [
                self._install(plan, wheel, stack.enter_context(path.open("rb")))
                for wheel, path in zip(plan.wheels, paths, strict=True)
            ]
            total = sum(file.size for wheel in wheels for file in wheel.files.values())
            for chunk in layer_chunks(wheels, self.layout, epoch=self.epoch):
                plain.update(chunk)
                uncompressed += len(chunk)
                size += write(compress.compress(chunk))
                progress("make", plan.name, uncompressed, total)
            size += write(compress.flush())
        return LayerBlob(
            name=plan.name,
            path=str(self.path(plan)),
            digest=f"sha256:{packed.hexdigest()}",
            size=size,
            media_type=MEDIA_TYPES[self.compression],
            diff_id=f"sha256:{plain.hexdigest()}",
            uncompressed=uncompressed,
        )

    def _install(self, plan: LayerPlan, wheel: Artifact, opened: IO[bytes]) -> InstalledWheel:
        """What of a wheel is in a layer."""
        installed = install_wheel(WheelArchive(opened, wheel.filename), wheel.name, self.layout)
        if plan.content == "wheels":
            return installed
        if self.bytecode is None:
            raise ToolError(f"{plan.name}: there is no Python that compiles bytecode")
        compiled = self.bytecode.compiled(installed, wheel.sha256, self.layout)
        return with_bytecode(installed, compiled, self.layout, alone=plan.content == "bytecode")


def make_layers(
    plans: Sequence[LayerPlan], store: LayerStore, wheels: Wheels, progress: Progress
) -> list[LayerBlob]:
    """The layers of some plans, in their order: those that the store has, and the others made while wheels are fetched.

    Raises ToolError where a wheel cannot be fetched or a layer cannot be made; what is done until then is kept.
    """
    blobs: dict[LayerPlan, LayerBlob] = {}
    for plan in plans:
        if blob := store.read(plan):
            blobs[plan] = blob
            progress("reuse", plan.name, blob.size, blob.size)
    missing = [plan for plan in plans if plan not in blobs]
    if missing:
        blobs |= _make_missing(missing, store, wheels, progress)
    return [blobs[plan] for plan in plans]


def _make_missing(
    plans: Sequence[LayerPlan], store: LayerStore, wheels: Wheels, progress: Progress
) -> dict[LayerPlan, LayerBlob]:
    """Each layer is made as soon as its wheels are there, while those of others are fetched, the largest first."""
    with (
        thread_pool(_DOWNLOADS) as fetching,
        thread_pool(os.cpu_count() or 1) as making,
        _cancelled_on_failure(progress) as report,
    ):
        artifacts = {wheel for plan in plans for wheel in plan.wheels}
        largest = sorted(artifacts, key=lambda wheel: (-(wheel.size or _UNKNOWN), wheel.filename))
        fetched = {wheel: fetching.submit(_fetch, wheels, wheel, report) for wheel in largest}
        layers: dict[LayerPlan, Future[LayerBlob]] = {}
        pending: set[Future[Any]] = {*fetched.values()}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            for plan in plans:
                if plan not in layers and all(fetched[wheel].done() for wheel in plan.wheels):
                    paths = [fetched[wheel].result() for wheel in plan.wheels]
                    layers[plan] = making.submit(_make, plan, paths, store, wheels, report)
                    pending.add(layers[plan])
        return {plan: future.result() for plan, future in layers.items()}


def _fetch(wheels: Wheels, artifact: Artifact, progress: Progress) -> Path:
    total = artifact.size or 0
    return wheels.fetch(artifact, lambda done: progress("fetch", artifact.filename, done, total))


def _make(
    plan: LayerPlan, paths: Sequence[Path], store: LayerStore, wheels: Wheels, progress: Progress
) -> LayerBlob:
    """A layer; a wheel of the cache that is damaged since is fetched again, once."""
    try:
        return store.make(plan, paths, progress)
    except WheelError:
        damaged = [
            wheel
            for wheel, path in zip(plan.wheels, paths, strict=True)
            if path == wheels.store.path(wheel) and wheels.store.drop_damaged(wheel)
        ]
        if not damaged:
            raise
    return store.make(plan, [_fetch(wheels, wheel, progress) for wheel in plan.wheels], progress)


@contextmanager
def _cancelled_on_failure(progress: Progress) -> Iterator[Progress]:
    """A progress that ends the threads that call it once the work has failed: a wheel of a gigabyte is not read to its end."""
    failed = Event()

    def report(action: str, name: str, done: int, total: int) -> None:
        if failed.is_set():
            raise CancelledError
        progress(action, name, done, total)

    try:
        yield report
    except BaseException:  # raised again
        failed.set()
        raise
