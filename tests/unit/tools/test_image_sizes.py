"""The bytes of a manifest's layers, and whether a disk has room for a build."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from torchpin.tools import image_sizes


@pytest.mark.parametrize(
    ("manifest", "size"),
    [
        ({"layers": [{"size": 3}, {"size": 4}]}, 7),
        ({"layers": []}, None),
        ({"layers": [{"size": "3"}]}, None),
        ({"layers": {"size": 3}}, None),
        ({}, None),
    ],
)
def test_the_layers_of_a_manifest_are_summed(manifest: dict[str, Any], size: int | None) -> None:
    assert image_sizes.layers_size(manifest) == size


INDEX = {
    "manifests": [
        {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:c"},
    ]
}


@pytest.mark.parametrize("image", ["host:5000/a/b:1", "host:5000/a/b@sha256:0", "host:5000/a/b:1@sha256:0"])
def test_of_several_platforms_one_is_read(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = {image: INDEX, "host:5000/a/b@sha256:b": {"layers": [{"size": 5}]}}
    monkeypatch.setattr(image_sizes, "_read_manifest", lambda name: manifests.get(name, {}))
    assert image_sizes.registry_size(image, "linux/amd64") == 5
    assert image_sizes.registry_size(image, "linux/riscv64") is None
    assert image_sizes.registry_size("absent", "linux/amd64") is None


def test_a_disk_of_another_machine_is_not_looked_at() -> None:
    def client(base_url: str, folder: Any) -> Any:
        info = {"DockerRootDir": folder}
        return SimpleNamespace(info=lambda: info, api=SimpleNamespace(base_url=base_url))

    assert image_sizes.free_space(client("http://host:2375", "/")) is None
    assert image_sizes.free_space(client("http+docker://localhost", None)) is None
    assert image_sizes.free_space(client("http+docker://localhost", "/no/such/folder")) is None
    assert (image_sizes.free_space(client("http+docker://localhost", "/")) or ("", 0))[1] > 0


def test_what_an_image_uses_is_not_reclaimed_from_the_cache() -> None:
    entries = [{"Size": 3, "Shared": False}, {"Size": 4, "Shared": True}]
    client: Any = SimpleNamespace(df=lambda: {"BuildCache": entries})
    assert image_sizes.cache_size(client) == 3
    client = SimpleNamespace(df=lambda: {"BuildCache": None})
    assert image_sizes.cache_size(client) == 0
