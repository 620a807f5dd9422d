from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from torchpin.assembly.image import AssembledImage, ImageLayer, assemble, digest
from torchpin.tools.assembled_images import find_image, keep_image

if TYPE_CHECKING:
    from pathlib import Path

LAYER = ImageLayer(diff_id="sha256:1", digest="sha256:2", size=4, media_type="x", step="é")
IMAGE = assemble([LAYER], {}, labels={}, platform="linux/amd64", epoch=0)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "blob").write_bytes(b"blob")
    keep_image(tmp_path / "images", IMAGE, {LAYER.digest: tmp_path / "blob"})
    return tmp_path


@pytest.mark.parametrize("document", [IMAGE.config, IMAGE.manifest])
def test_an_image_is_found_by_either_id_of_it(kept: Path, document: bytes) -> None:
    assert find_image(kept / "images", digest(document)) == (IMAGE, {LAYER.digest: kept / "blob"})


def test_an_image_that_was_not_assembled_here_is_not_found(kept: Path) -> None:
    assert find_image(kept / "images", "sha256:3") is None
    assert find_image(kept / "none", digest(IMAGE.config)) is None


@pytest.mark.parametrize("damage", ["blob is gone", "blob is cut", "note is cut", "another image"])
def test_what_is_not_whole_is_not_found(kept: Path, damage: str) -> None:
    note = kept / "images" / f"{digest(IMAGE.config).removeprefix('sha256:')}.json"
    match damage:
        case "blob is gone":
            (kept / "blob").unlink()
        case "blob is cut":
            (kept / "blob").write_bytes(b"blo")
        case "note is cut":
            note.write_text(note.read_text()[:-1])
        case "another image":
            changed = AssembledImage(config=b"{}", manifest=b"{}", layers=())
            content = {"config": changed.config.decode(), "manifest": changed.manifest.decode(), "layers": []}
            note.write_text(json.dumps(content))
    assert find_image(kept / "images", digest(IMAGE.config)) is None
