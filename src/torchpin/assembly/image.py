"""An image as its registry holds it: configuration and manifest, from its layers alone.

The same layers, labels and time give the same bytes, so two machines give an image the same digests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from torchpin.description.environments import split_image_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_NAME = "io.containerd.image.name"
# What a container of an image is started with; engines add fields of their own, and empty ones.
_SETTINGS = (
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir"),
    *("StopSignal", "Healthcheck", "Shell", "OnBuild", "StopTimeout"),
)
OWN_STEP = "/run/torchpin/"  # in every step of the template that writes files
ENVIRONMENT_STEP = "/run/torchpin/uv venv "
# Of the steps that come after all wheels: what is built from source, what is copied, users and their folders.
_LATE_STEPS = (
    *("/run/torchpin/layers/", "/run/torchpin/wheels", "/run/torchpin/source", "/run/torchpin/runtime/"),
    *("useradd ", "install -d "),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLayer:
    """A layer: the digest of its tar, and digest, size in bytes and media type of the blob that a registry has of it.

    `step` is what made it, as `docker history` shows it.
    """

    diff_id: str
    digest: str
    size: int
    media_type: str
    step: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefix:
    """What an image holds beside its wheels, as an engine has built it: its layers' tars by digest, and what made each.

    `settings` is what its containers are started with. The first `base` layers are those of the base image. The first
    `below_torch` lie under torch, the first `below_wheels` under all other wheels: what people edit daily lies above.
    """

    diff_ids: tuple[str, ...]
    steps: tuple[str, ...]
    settings: Mapping[str, Any]
    labels: Mapping[str, str]
    base: int
    below_torch: int
    below_wheels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AssembledImage:
    """The documents of an image and its layers, the lowest first."""

    config: bytes
    manifest: bytes
    layers: tuple[ImageLayer, ...]


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The identity of each layer on top of those below it, as engines compute it."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def read_prefix(config: Mapping[str, Any]) -> Prefix:
    """The prefix whose configuration an engine has written.

    Raises ValueError for what is not the configuration of an image that torchpin's template describes.
    """
    try:
        diff_ids = tuple(config["rootfs"]["diff_ids"])
        history = [entry for entry in config["history"] if not entry.get("empty_layer")]
        settings = config.get("config") or {}
        commands = [str(entry.get("created_by", "")) for entry in history]
        labels = dict(settings.get("Labels") or {})
    except (AttributeError, KeyError, TypeError) as error:
        message = f"not an image configuration: {error!r}"
        raise ValueError(message) from None
    commands = [""] * (len(diff_ids) - len(commands)) + commands  # a base image may say nothing of its own
    if len(commands) > len(diff_ids):
        message = f"it has {len(diff_ids)} layers, but a history of {len(commands)}"
        raise ValueError(message)
    run_steps = [number for number, command in enumerate(commands) if OWN_STEP in command]
    environment = [number for number in run_steps if ENVIRONMENT_STEP in commands[number]]
    if not environment:
        message = "no step of it makes the environment with `uv venv`"
        raise ValueError(message)
    late = [number for number in run_steps if any(word in commands[number] for word in _LATE_STEPS)]
    return Prefix(
        diff_ids=diff_ids,
        steps=tuple(command if number in run_steps else "" for number, command in enumerate(commands)),
        settings={name: settings[name] for name in _SETTINGS if settings.get(name)},
        labels=labels,
        base=run_steps[0],
        below_torch=environment[-1] + 1,
        below_wheels=max(environment[-1] + 1, min(late, default=len(diff_ids))),
    )


def stack(
    prefix: Prefix, layers: Sequence[ImageLayer], torch: Sequence[ImageLayer], wheels: Sequence[ImageLayer]
) -> tuple[ImageLayer, ...]:
    """The layers of an image, the lowest first: those of its prefix, torch, and all other wheels, each at their place."""
    low, high = prefix.below_torch, prefix.below_wheels
    return (*layers[:low], *torch, *layers[low:high], *wheels, *layers[high:])


def assemble(
    layers: Sequence[ImageLayer],
    settings: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    platform: str,
    epoch: int,
) -> AssembledImage:
    """The image of these layers. `platform` is such as linux/amd64, `epoch` its time in seconds since 1970."""
    system, _, machine = platform.partition("/")
    created = datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = _canonical(
        {
            "architecture": machine,
            "os": system,
            "created": created,
            "config": dict(settings) | {"Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": created, "created_by": layer.step} for layer in layers],
        }
    )
    manifest = _canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(config, CONFIG_TYPE),
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
                for layer in layers
            ],
        }
    )
    return AssembledImage(config=config, manifest=manifest, layers=tuple(layers))


def archive_documents(image: AssembledImage, tags: Sequence[str] = ()) -> dict[str, bytes]:
    """The files, beside the layers, of an archive that is an OCI layout and a docker archive, by their paths."""
    names: list[dict[str, Any]] = [
        {"annotations": {_NAME: "/".join(split_image_name(tag))}} for tag in tags
    ] or [{}]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [_descriptor(image.manifest, MANIFEST_TYPE) | name for name in names],
    }
    docker_manifest = {
        "Config": blob_path(digest(image.config)),
        "RepoTags": list(tags) or None,
        "Layers": [blob_path(layer.digest) for layer in image.layers],
    }
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": _canonical(index),
        "manifest.json": _canonical([docker_manifest]),
        **{blob_path(digest(text)): text for text in (image.config, image.manifest)},
    }


def blob_path(identity: str) -> str:
    """The path of a blob in an OCI layout."""
    return f"blobs/{identity.replace(':', '/')}"


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _canonical(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
