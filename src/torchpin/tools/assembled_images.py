"""What was assembled on this machine: the documents and blobs of an image, by the id that its engine has for it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.assembly.image import AssembledImage, ImageLayer, digest
from torchpin.errors import ToolError, os_error_reason
from torchpin.tools.cache import make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def keep_image(folder: Path, image: AssembledImage, files: Mapping[str, Path]) -> None:
    """Note an image, with the files of its layers by their digests. Raises ToolError where it cannot be written."""
    note = {
        "config": image.config.decode(),
        "manifest": image.manifest.decode(),
        "layers": [{**asdict(layer), "path": str(files[layer.digest])} for layer in image.layers],
    }
    make_folder(folder)
    for identity in (digest(image.config), digest(image.manifest)):  # which of them an engine takes
        path = _path(folder, identity)
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_text(json.dumps(note), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise ToolError(f"the cache: {os_error_reason(error, str(path))}") from None


def find_image(folder: Path, identity: str) -> tuple[AssembledImage, dict[str, Path]] | None:
    """An image by its id in an engine, with its files; None where it was not assembled here, or a file of it is gone."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        note = json.loads(_path(folder, identity).read_text(encoding="utf-8"))
        files = {layer["digest"]: Path(layer.pop("path")) for layer in note["layers"]}
        image = AssembledImage(
            config=note["config"].encode(),
            manifest=note["manifest"].encode(),
            layers=tuple(ImageLayer(**layer) for layer in note["layers"]),
        )
        whole = all(files[layer.digest].stat().st_size == layer.size for layer in image.layers)
        if whole and identity in {digest(image.config), digest(image.manifest)}:
            return image, files
    return None


def _path(folder: Path, identity: str) -> Path:
    return folder / f"{identity.removeprefix('sha256:')}.json"
