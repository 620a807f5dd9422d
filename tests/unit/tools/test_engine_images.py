from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from torchpin.assembly.image import ImageLayer, assemble, chain_ids
from torchpin.tools.engine_images import EngineLayers, archive_chunks

if TYPE_CHECKING:
    from pathlib import Path

DIFF_IDS = [f"sha256:{number:064x}" for number in range(3)]
LAYERS = [
    ImageLayer(diff_id=diff_id, digest=f"sha256:d{number}", size=1, media_type="x", step="")
    for number, diff_id in enumerate(DIFF_IDS)
]
IMAGE = assemble(LAYERS, {}, labels={}, platform="linux/amd64", epoch=0)


def test_an_engine_that_keeps_layers_has_them_only_on_top_of_the_same_ones() -> None:
    has_two = EngineLayers(keeps_blobs=False, chains=frozenset(chain_ids(DIFF_IDS[:2])), blobs=frozenset())
    assert has_two.missing(IMAGE) == (LAYERS[2],)
    has_other = EngineLayers(
        keeps_blobs=False, chains=frozenset(chain_ids(DIFF_IDS[1:])), blobs=frozenset(DIFF_IDS)
    )
    assert has_other.missing(IMAGE) == tuple(LAYERS)


def test_an_engine_that_keeps_blobs_has_those_of_assembled_images() -> None:
    engine = EngineLayers(
        keeps_blobs=True, chains=frozenset(chain_ids(DIFF_IDS)), blobs=frozenset(DIFF_IDS[1:])
    )
    assert engine.missing(IMAGE) == (LAYERS[0],)


def test_an_archive_is_written_piece_by_piece(tmp_path: Path) -> None:
    large, empty = tmp_path / "large", tmp_path / "empty"
    large.write_bytes(b"x" * (3 << 20) + b"y")
    empty.write_bytes(b"")
    documents = {"oci-layout": b"{}", "blobs/sha256/" + "a" * 64: b"b" * 512}
    chunks = list(archive_chunks(documents, {"large": large, "empty": empty}))
    assert max(map(len, chunks)) <= 1 << 20
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        contents = {member.name: archive.extractfile(member) for member in archive}
        assert {name: file.read() for name, file in contents.items() if file} == {
            **documents,
            "large": large.read_bytes(),
            "empty": b"",
        }
