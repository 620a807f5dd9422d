"""The bytes of images: on an engine's disk, and compressed in a registry; and the room that an engine's disk has."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.tools import docker
from torchpin.tools.process import QUICK, run, which

if TYPE_CHECKING:
    from collections.abc import Mapping


def engine_size(client: docker.Client, image: str) -> int | None:
    """The bytes of an image on an engine's disk, None where the engine does not have it."""
    try:
        size: int = client.images.get(image).attrs["Size"]
    except docker.engine_errors():
        return None
    return size


def registry_size(image: str, platform: str) -> int | None:
    """The compressed bytes of an image in its registry, for a platform; None where no registry gives them."""
    manifest = _read_manifest(image)
    name = re.sub(r":[^:/]+$", "", image.partition("@")[0])  # without a tag, with the port of a registry
    entries = manifest.get("manifests")
    for entry in entries if isinstance(entries, list) else ():
        if _platform(entry) == platform:
            manifest = _read_manifest(f"{name}@{entry.get('digest')}")
            break
    return layers_size(manifest)


def layers_size(manifest: Mapping[str, Any]) -> int | None:
    """The bytes of all layers in a manifest; None for one that has none."""
    layers = manifest.get("layers")
    sizes = (
        [layer.get("size") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    )
    valid_sizes = [size for size in sizes if isinstance(size, int) and size >= 0]
    return sum(valid_sizes) if valid_sizes and len(valid_sizes) == len(sizes) else None


def _platform(entry: Any) -> str:
    platform = entry.get("platform") if isinstance(entry, dict) else None
    if not isinstance(platform, dict):
        return ""
    return f"{platform.get('os')}/{platform.get('architecture')}"


def _read_manifest(image: str) -> dict[str, Any]:
    """The manifest of an image, or the list of those of its platforms; empty where there is none to read."""
    if not which("docker"):
        return {}
    try:
        completed = run(
            ("docker", "buildx", "imagetools", "inspect", "--raw", image), check=False, timeout=QUICK
        )
        manifest = parse_json(completed.stdout) if completed.returncode == 0 else {}
    except (ToolError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def free_space(client: docker.Client) -> tuple[str, int] | None:
    """The folder of an engine's data and the free bytes of its disk; None where it is not on this machine."""
    folder = client.info().get("DockerRootDir")
    if not str(client.api.base_url).startswith("http+docker") or not isinstance(folder, str):
        return None
    try:
        return folder, shutil.disk_usage(folder).free
    except OSError:
        return None


def cache_size(client: docker.Client) -> int:
    """The bytes of an engine's build cache that no image uses."""
    entries = client.df().get("BuildCache") or ()
    return sum(entry.get("Size", 0) for entry in entries if not entry.get("Shared"))
