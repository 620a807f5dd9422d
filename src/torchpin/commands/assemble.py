"""`build --assemble`: an image put together from locked wheels; only what has to run is built."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin.assembly.image import ImageLayer, assemble, digest, read_prefix, stack
from torchpin.assembly.layer import LayerPlan
from torchpin.assembly.prefix import expect_prefix
from torchpin.assembly.proof import REPORT_STEP, read_proof, report_tar
from torchpin.assembly.settings import container_settings, described_labels
from torchpin.assembly.wheel import VenvLayout
from torchpin.commands.layer_progress import layer_progress
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError
from torchpin.image.build_log import PROOF_FAILED
from torchpin.image.groups import package_groups
from torchpin.image.plan import image_plan, image_time
from torchpin.image.steps import BELOW_APT
from torchpin.progress import BYTES, step
from torchpin.quantities import format_megabytes
from torchpin.tools import docker, engine_images, image_transfers, registry_push, scratch
from torchpin.tools.assembled_images import find_image, keep_image
from torchpin.tools.bytecode import BytecodeStore, find_interpreter
from torchpin.tools.cache import cache_folder
from torchpin.tools.copied_layers import CopiedLayers
from torchpin.tools.engine_images import ASSEMBLED_LABEL, CANDIDATE_LABEL
from torchpin.tools.layer_store import LayerStore, make_layers
from torchpin.tools.prefix_layers import PrefixLayers
from torchpin.tools.shared_prefixes import SharedPrefix
from torchpin.tools.wheel_sources import WheelSources
from torchpin.workspace import generated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from torchpin.assembly.compression import Compression
    from torchpin.assembly.image import AssembledImage, Prefix
    from torchpin.assembly.layer import LayerBlob, LayerContent
    from torchpin.assembly.proof import Proof
    from torchpin.image.groups import PackageGroup
    from torchpin.image.plan import Image
    from torchpin.model import Environment, Lock, StatusCallback
    from torchpin.progress import Step
    from torchpin.workspace.workspace import Repository

COMPRESSION: Compression = "zstd"
IMAGES = "images"  # in the cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """What an image is assembled from. `build_prefix` builds a prefix and gives the id that it has in the engine."""

    client: Any
    repo: Repository
    env: Environment
    lock: Lock
    rendered: generated.Rendering
    labels: Mapping[str, str]
    tags: Sequence[str]
    build_prefix: Callable[[generated.Rendering], str]
    show_status: StatusCallback


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The layers of an image without the report of its proof, their files, the settings and the described labels."""

    layers: tuple[ImageLayer, ...]
    files: Mapping[str, Path]
    settings: Mapping[str, Any]
    labels: Mapping[str, str]


def require_assemblable(env: Environment, rendered: generated.Rendering) -> Proof:
    """The proof of an image. Raises InputError where it can only be built, with the reason."""
    try:
        expect_prefix(rendered.dockerfile)
        return read_proof(rendered.dockerfile)
    except ValueError as error:
        raise InputError(
            f"{env.name} cannot be assembled from its Dockerfile: {error}; build it without `--assemble`"
        ) from None


def assemble_image(inputs: Assembly) -> None:
    """Assemble an image, verify it in a container, and tag it. Raises ToolError where that fails; then nothing is tagged."""
    proof = require_assemblable(inputs.env, inputs.rendered)
    engine_images.remove_abandoned(inputs.client)
    with scratch.temporary_folder() as folder:
        parts = _make_parts(inputs, folder)
        with _candidate(inputs, parts) as identity:
            report_layer = _report_layer(inputs, _prove(inputs, identity, proof))
            layers = (*parts.layers, _image_layer(report_layer, REPORT_STEP))
            files = {**parts.files, report_layer.digest: Path(report_layer.path)}
            image = _image(inputs, parts, layers)
            keep_image(cache_folder(inputs.repo.settings) / IMAGES, image, files)
            # while the candidate is there: the engine has all layers of it, and gets the report's alone
            with _handing_over(inputs) as running:
                engine_images.load(inputs.client, image, files.__getitem__, inputs.tags, running=running)


def _make_parts(inputs: Assembly, folder: Path) -> Parts:
    """Build the prefix, while the layers of the wheels are made, and finish it where it is not."""
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(_wheel_layers, inputs)
        rendered = generated.render_prefix(inputs.repo, inputs.env, inputs.lock)
        identity = inputs.build_prefix(rendered)
        with step(inputs.show_status, f"{inputs.env.name}: reading what was built"):
            prefix, below = _prefix_layers(inputs, identity, folder, finished=rendered.is_finished)
        image = image_plan(inputs.env, inputs.lock)
        copied = [] if rendered.is_finished else _copied_layers(inputs, image, folder)
        torch, others = making.result()
    layers = stack(
        prefix,
        [_image_layer(blob, step) for blob, step in zip(below, prefix.steps, strict=True)],
        [_image_layer(blob, f"wheels: {blob.name}") for blob in torch],
        [_image_layer(blob, f"wheels: {blob.name}") for blob in others],
    )
    blobs = (*below, *torch, *others, *(blob for blob, _ in copied))
    return Parts(
        layers=(*layers, *(_image_layer(blob, step) for blob, step in copied)),
        files={blob.digest: Path(blob.path) for blob in blobs},
        settings=prefix.settings if rendered.is_finished else container_settings(image, prefix.settings),
        labels=prefix.labels if rendered.is_finished else {**prefix.labels, **described_labels(image)},
    )


def _copied_layers(inputs: Assembly, image: Image, folder: Path) -> list[tuple[LayerBlob, str]]:
    return CopiedLayers(
        root=inputs.repo.root,
        image=image,
        context=inputs.rendered.context,
        copied=inputs.rendered.copied,
        store=_prefix_store(inputs),
        scratch=folder,
    ).make()


def _wheel_layers(inputs: Assembly) -> tuple[list[LayerBlob], list[LayerBlob]]:
    """The layers of torch and its family, which lie below system packages, and those of all other wheels.

    An optional one whose wheels cannot be fetched is left out.
    """
    store = _layer_store(inputs)
    wheels = WheelSources(inputs.repo.root, inputs.env, inputs.lock, inputs.repo.settings)
    made: set[str] = set()

    plans = layer_plans(inputs.lock, bytecode=inputs.env.service.run.bytecode)
    required = [plan for plan, group in plans if not group.layer.optional]
    with layer_progress(
        inputs.show_status, inputs.env.name, [plan for plan, _ in plans], store, wheels
    ) as report:

        def note(action: str, name: str, done: int, total: int) -> None:
            if action == "make":
                made.add(name)
            report(action, name, done, total)

        blobs = dict(zip(required, make_layers(required, store, wheels, note), strict=True))
        for plan, group in plans:
            if group.layer.optional:
                try:
                    (blobs[plan],) = make_layers([plan], store, wheels, note)
                except ToolError as error:
                    inputs.show_status(f"{inputs.env.name}: without the optional layer {plan.name}: {error}")
    inputs.show_status(
        f"{inputs.env.name}: {len(blobs)} layers of wheels, {len(blobs) - len(made)} of them kept from before"
    )
    places = [(blobs[plan], group.place) for plan, group in plans if plan in blobs]
    return (
        [blob for blob, place in places if place in BELOW_APT],
        [blob for blob, place in places if place not in BELOW_APT],
    )


def _layer_store(inputs: Assembly) -> LayerStore:
    settings, python = inputs.repo.settings, inputs.env.service.python
    cache, minor = cache_folder(settings), f"{python.major}.{python.minor}"
    bytecode = None
    if inputs.env.service.run.bytecode:
        with step(inputs.show_status, f"{inputs.env.name}: finding a Python {minor} that compiles bytecode"):
            interpreter = find_interpreter(minor, cache / "python", settings)
        bytecode = BytecodeStore(folder=cache / "bytecode", interpreter=interpreter)
    return LayerStore(
        folder=cache / "layers",
        layout=VenvLayout(python=minor),
        epoch=image_time(inputs.env)[0],
        compression=COMPRESSION,
        bytecode=bytecode,
    )


def layer_plans(lock: Lock, *, bytecode: bool) -> list[tuple[LayerPlan, PackageGroup]]:
    """The layers of a lock's wheels, with the groups that they are of; packages that are built are in the prefix.

    The bytecode of what lies below system packages has layers of its own, so that torch's are the same without.
    """
    groups = [
        (group, wheels)
        for group in package_groups(lock)
        if (wheels := tuple(package for package in group.packages if not package.is_source))
    ]
    below = [(group, wheels) for group, wheels in groups if group.place in BELOW_APT]
    others = [(group, wheels) for group, wheels in groups if group.place not in BELOW_APT]
    plans = [(LayerPlan(name=group.name, wheels=wheels), group) for group, wheels in below]
    content: LayerContent = "wheels and bytecode" if bytecode else "wheels"
    if bytecode:
        plans += [
            (LayerPlan(name=f"bytecode of {group.name}", wheels=wheels, content="bytecode"), group)
            for group, wheels in below
        ]
    plans += [(LayerPlan(name=group.name, wheels=wheels, content=content), group) for group, wheels in others]
    return plans


def _prefix_layers(
    inputs: Assembly, identity: str, folder: Path, *, finished: bool
) -> tuple[Prefix, list[LayerBlob]]:
    """A prefix with its layers, out of the engine where they are not kept from before.

    Raises ToolError where it is not as the template has it.
    """
    store = _prefix_store(inputs)
    kept = store.read_config(identity)
    if kept is not None:
        prefix = _read_prefix(inputs, kept)
        blobs = [blob for diff_id in prefix.diff_ids if (blob := store.read(diff_id))]
        if len(blobs) == len(prefix.diff_ids):
            return prefix, blobs
    if not finished:
        epoch = image_time(inputs.env)[0]
        shared = SharedPrefix(
            client=inputs.client, identity=identity, store=store, scratch=folder, epoch=epoch
        )
        config, blobs = shared.read()
        prefix = _read_prefix(inputs, config)
        store.keep_config(identity, config)
        return prefix, blobs
    with engine_images.saved_image(inputs.client, identity, folder) as saved:
        prefix = _read_prefix(inputs, saved.config)
        blobs = []
        for diff_id in prefix.diff_ids:
            blob = store.read(diff_id)
            if blob is None:
                with saved.layer(diff_id) as content:
                    blob = store.add(diff_id, content)
            blobs.append(blob)
        store.keep_config(identity, saved.config)
    return prefix, blobs


def _read_prefix(inputs: Assembly, config: Mapping[str, Any]) -> Prefix:
    try:
        return read_prefix(config)
    except ValueError as error:
        raise ToolError(f"the prefix of {inputs.env.name}: {error}; build it without `--assemble`") from None


def _prefix_store(inputs: Assembly) -> PrefixLayers:
    return PrefixLayers(folder=cache_folder(inputs.repo.settings) / "prefixes", compression=COMPRESSION)


def _image_layer(blob: LayerBlob, step: str) -> ImageLayer:
    return ImageLayer(
        diff_id=blob.diff_id, digest=blob.digest, size=blob.size, media_type=blob.media_type, step=step
    )


def _image(
    inputs: Assembly, parts: Parts, layers: Sequence[ImageLayer], labels: Mapping[str, str] | None = None
) -> AssembledImage:
    user = inputs.env.service.run.user
    settings = {**parts.settings, **({"User": user} if user else {})}
    return assemble(
        layers,
        settings,
        labels={**parts.labels, **inputs.labels, ASSEMBLED_LABEL: COMPRESSION, **(labels or {})},
        platform=inputs.env.variant.platform,
        epoch=image_time(inputs.env)[0],
    )


def _handing_over(inputs: Assembly) -> AbstractContextManager[Step]:
    """The step in which the Docker engine gets the layers that it does not have."""
    return step(inputs.show_status, f"{inputs.env.name}: loading into the Docker engine", unit=BYTES)


@contextmanager
def _candidate(inputs: Assembly, parts: Parts) -> Iterator[str]:
    """The engine's id of the image without tag and report, which is removed at the end of the block."""
    label = {CANDIDATE_LABEL: str(scratch.current_owner())}
    candidate = _image(inputs, parts, parts.layers, label)
    with _handing_over(inputs) as running:
        identity = engine_images.load(inputs.client, candidate, parts.files.__getitem__, running=running)
    try:
        yield identity
    finally:
        engine_images.remove(inputs.client, identity)


def _prove(inputs: Assembly, identity: str, proof: Proof) -> bytes:
    """Run the proof in an image that has no tag yet, and return its report. Raises ToolError where the proof fails."""
    try:
        with step(inputs.show_status, f"{inputs.env.name}: verifying the assembled image"):
            return engine_images.prove(inputs.client, identity, proof, inputs.rendered.context.files)
    except ToolError as error:
        raise ToolError(
            f"{inputs.env.name}: {PROOF_FAILED} nothing was tagged or recorded, and the image was removed\n{error}"
        ) from None


def _report_layer(inputs: Assembly, report: bytes) -> LayerBlob:
    """The layer that has the report of the proof, as the last step of a build adds it."""
    content = report_tar(report, epoch=image_time(inputs.env)[0])
    return _prefix_store(inputs).add(digest(content), io.BytesIO(content))


def pusher(
    repo: Repository, env: Environment, image: Any, show_status: StatusCallback
) -> Callable[[Any, Sequence[str]], None]:
    """What pushes an image of the engine: out of the cache, where it was assembled here, else the engine."""
    assembled = find_image(cache_folder(repo.settings) / IMAGES, str(image.id))
    if assembled is None:
        return partial(image_transfers.push, show_status=show_status)

    def push(client: Any, tags: Sequence[str]) -> None:
        others = (
            docker.image_repository(other, repo.settings, prefix=repo.prefix)
            for other in select_environments(repo.services)
            if other.name != env.name
        )
        with step(show_status, f"{env.name}: pushing {tags[-1]}", unit=BYTES) as running:
            pushed = registry_push.push_image(client, *assembled, tags, others=[*others], running=running)
        show_status(
            f"{env.name}: {format_megabytes(pushed.sent)} sent, {format_megabytes(pushed.mounted)} mounted from images of other "
            f"environments, {format_megabytes(pushed.present)} in the registry already"
        )

    return push
