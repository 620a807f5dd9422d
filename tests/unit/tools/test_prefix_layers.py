from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from torchpin.errors import ToolError
from torchpin.tools.prefix_layers import PrefixLayers

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 10_000  # more than one chunk
DIFF_ID = f"sha256:{sha256(CONTENT).hexdigest()}"


@pytest.fixture
def store(tmp_path: Path) -> PrefixLayers:
    return PrefixLayers(folder=tmp_path / "prefixes", compression="zstd")


def test_a_layer_is_kept_by_the_digest_of_its_tar(store: PrefixLayers, tmp_path: Path) -> None:
    assert store.read(DIFF_ID) is None
    blob = store.add(DIFF_ID, io.BytesIO(CONTENT))
    packed = store.path(DIFF_ID).read_bytes()
    assert (blob.diff_id, blob.size, blob.uncompressed) == (DIFF_ID, len(packed), len(CONTENT))
    assert blob.digest == f"sha256:{sha256(packed).hexdigest()}"
    assert store.read(DIFF_ID) == blob
    assert store.add(DIFF_ID, io.BytesIO(b"is not read")) == blob
    elsewhere = PrefixLayers(folder=tmp_path / "elsewhere", compression="zstd")
    assert elsewhere.add(DIFF_ID, io.BytesIO(CONTENT)).digest == blob.digest


def test_another_content_is_not_kept(store: PrefixLayers) -> None:
    with pytest.raises(ToolError, match="wrote another layer than sha256:"):
        store.add(DIFF_ID, io.BytesIO(CONTENT + b"x"))
    assert store.read(DIFF_ID) is None
    assert store.add(DIFF_ID, io.BytesIO(CONTENT)).diff_id == DIFF_ID


@pytest.mark.parametrize("damage", ["truncate", "note", "no note", "gone"])
def test_what_is_damaged_is_made_again(store: PrefixLayers, damage: str) -> None:
    blob = store.add(DIFF_ID, io.BytesIO(CONTENT))
    path = store.path(DIFF_ID)
    note = path.with_name(f"{path.name}.json")
    match damage:
        case "truncate":
            path.write_bytes(path.read_bytes()[:-1])
        case "note":
            note.write_text("[]")
        case "no note":
            note.unlink()
        case "gone":
            path.unlink()
    assert store.read(DIFF_ID) is None
    assert store.add(DIFF_ID, io.BytesIO(CONTENT)) == blob


def test_a_configuration_is_kept_by_the_id_of_its_image(store: PrefixLayers) -> None:
    assert store.read_config("sha256:aa") is None
    store.keep_config("sha256:aa", {"config": {"User": "1000"}})
    assert store.read_config("sha256:aa") == {"config": {"User": "1000"}}
    assert store.read_config("sha256:bb") is None


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_configuration_is_as_none(store: PrefixLayers, text: str) -> None:
    store.keep_config("sha256:aa", {})
    (file,) = store.folder.glob("*.config.json")
    file.write_text(text)
    assert store.read_config("sha256:aa") is None


def test_a_configuration_is_kept_by_many_at_once(store: PrefixLayers) -> None:
    configs = [{"config": {"Env": ["A=b"] * number}} for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda config: store.keep_config(DIFF_ID, config), configs)]
    assert store.read_config(DIFF_ID) in configs
    store.keep_config(DIFF_ID, {"rootfs": {}})
    assert store.read_config(DIFF_ID) == {"rootfs": {}}
    assert not [*store.folder.glob("*.part")]
