"""The bytes of an image as its registry and its engine tell them."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from torchpin.tools import docker, image_sizes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.registry]


def test_an_image_is_as_large_as_its_layers_in_its_registry(registry: str, tmp_path: Path) -> None:
    content = os.urandom(1_000_000)  # which no compression makes smaller
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("data")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    name, image = f"{registry}/sizes", f"{registry}/sizes:1"
    with docker.engine() as client:
        client.api.import_image_from_data(archive.getvalue(), repository=name, tag="1")
        try:
            assert image_sizes.engine_size(client, image) == len(content)
            client.images.push(name, tag="1")
            assert image_sizes.registry_size(image, "linux/amd64") == pytest.approx(len(content), rel=0.01)
            assert image_sizes.registry_size(f"{name}:2", "linux/amd64") is None
            assert image_sizes.engine_size(client, f"{name}:2") is None
        finally:
            docker.remove_tags(client, [image])
    assert list((tmp_path / "registry").rglob("*"))
