from __future__ import annotations

import gzip
import io

import pytest

from torchpin.assembly.compression import COMPRESSIONS, Compression, compressor, plain

CONTENT = bytes(range(256)) * 10_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_layer_is_read_however_it_is_compressed(compression: Compression) -> None:
    packer = compressor(compression)
    packed = b"".join(
        [
            bytes(packer.compress(memoryview(CONTENT)[:1000])),
            bytes(packer.compress(memoryview(CONTENT)[1000:])),
            bytes(packer.flush()),
        ]
    )
    with plain(io.BytesIO(packed)) as content:
        assert content.read() == CONTENT


def test_a_layer_of_an_engine_is_read() -> None:
    with plain(io.BytesIO(gzip.compress(CONTENT))) as content:
        assert content.read() == CONTENT
    with plain(io.BytesIO(b"")) as content:
        assert content.read() == b""
