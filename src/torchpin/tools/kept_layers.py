"""Layers in files of the cache, each with a note of what it is (`….json`): a file that changed after its note is not read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from torchpin.assembly.layer import LayerBlob

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_NOTE = 10_000  # characters of what is noted of a layer; it is some five hundred


def read_layer(path: Path) -> LayerBlob | None:
    """The layer in a file as it was made; None without it."""
    try:
        status = path.stat()
        with _note(path).open(encoding="utf-8") as opened:
            note = json.loads(opened.read(_LONGEST_NOTE))
        changed = note.pop("changed")
        blob = LayerBlob(**{**note, "path": str(path)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return blob if (changed, blob.size) == (status.st_mtime_ns, status.st_size) else None


def keep_layer(blob: LayerBlob, path: Path) -> None:
    """Give `path` to the layer that was written as `….part` beside it, and note what it is. Raises OSError."""
    part, note = path.with_name(f"{path.name}.part"), _note(path)
    staged = note.with_name(f"{note.name}.part")
    staged.write_text(json.dumps({**asdict(blob), "changed": part.stat().st_mtime_ns}), encoding="utf-8")
    staged.replace(note)
    part.replace(path)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
