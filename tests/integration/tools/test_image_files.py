"""A file is read out of an image that is never run."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import ToolError
from torchpin.records.proof import PROOF
from torchpin.tools import docker, image_files

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker

TAG, KEY = "torchpin-test/files:1", "0" * 64
DOCUMENT: dict[str, object] = {
    "python": "3.11.9",
    "distributions": {},
    "torch": None,
    "sources": {},
    "findings": [],
}


@contextmanager
def image_of(*members: tuple[str, bytes | None], key: str = KEY) -> Iterator[docker.Client]:
    """An image with these files; None is a folder. No program is in it, so nothing could run."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size = len(content or b"")
            entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            tar.addfile(entry, io.BytesIO(content or b""))
    with docker.engine() as client:
        name, _, label = TAG.rpartition(":")
        client.api.import_image_from_data(
            archive.getvalue(), repository=name, tag=label, changes=[f"LABEL {docker.KEY_LABEL}={key}"]
        )
        before = client.containers.list(all=True)
        yield client
        assert client.containers.list(all=True) == before
        docker.remove_tags(client, [TAG])


def test_the_proof_is_read(engine: str) -> None:
    with image_of((PROOF, json.dumps(DOCUMENT).encode())) as client:
        assert image_files.read_proof(client, TAG, KEY) == DOCUMENT


def test_an_image_without_one_has_none(engine: str) -> None:
    with image_of(("other", b"")) as client:
        assert image_files.read_proof(client, TAG, KEY) is None


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        (b"no document", KEY, "is not JSON"),
        (None, KEY, f"{PROOF} of an image is not a plain file"),
        (b"x" * 3000, KEY, f"{PROOF} of an image has "),
        (json.dumps(DOCUMENT).encode(), "1" * 64, f"{TAG} is another image now; build again"),
    ],
    ids=["malformed", "folder", "large", "another image"],
)
def test_what_is_no_proof_of_this_image_is_an_error(
    engine: str, content: Any, key: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "_MOST_BYTES", 2500)
    with image_of((PROOF, content), key=key) as client, pytest.raises(ToolError) as excinfo:
        image_files.read_proof(client, TAG, KEY)
    assert message in str(excinfo.value)
