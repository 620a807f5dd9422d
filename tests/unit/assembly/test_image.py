from __future__ import annotations

import json
from typing import Any

import pytest

from torchpin.assembly.image import (
    ImageLayer,
    archive_documents,
    assemble,
    blob_path,
    chain_ids,
    digest,
    read_prefix,
    stack,
)

BASE, VENV, APT, SOURCE, SCRIPTS = (f"sha256:{number:064x}" for number in range(1, 6))
OWN = "RUN /bin/sh -c {} && sh /run/torchpin/settle.sh # buildkit"


def step(command: str) -> dict[str, Any]:
    return {"created": "2026-01-01T00:00:00.5Z", "created_by": OWN.format(command)}


def prefix_config() -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/opt/venv/bin"],
            "Hostname": "1f2e",
            "Cmd": None,
            "WorkingDir": "/opt/lora",
            "Labels": {"a": "b"},
        },
        "rootfs": {"type": "layers", "diff_ids": [BASE, VENV, APT, SOURCE, SCRIPTS]},
        "history": [
            {"created_by": "/bin/sh -c #(nop) ADD file:1 in /"},
            {"created_by": "ENV PATH=/opt/venv/bin", "empty_layer": True},
            step("/run/torchpin/uv venv --no-project /opt/venv"),
            step("apt-get install"),
            step("cp -R -P /run/torchpin/source/. /opt/lora"),
            step("cp -R /run/torchpin/runtime/. /opt/torchpin"),
        ],
    }


def layer(diff_id: str, name: str = "x") -> ImageLayer:
    return ImageLayer(
        diff_id=diff_id, digest=digest(diff_id.encode()), size=3, media_type="application/x", step=name
    )


def test_wheels_lie_between_what_they_need_and_what_people_edit() -> None:
    prefix = read_prefix(prefix_config())
    assert (prefix.base, prefix.below_torch, prefix.below_wheels) == (1, 2, 3)
    layers = [layer(diff_id) for diff_id in prefix.diff_ids]
    torch, wheel = layer("sha256:t"), layer("sha256:w")
    stacked = [entry.diff_id for entry in stack(prefix, layers, [torch], [wheel])]
    assert stacked == [BASE, VENV, "sha256:t", APT, "sha256:w", SOURCE, SCRIPTS]


def test_what_an_engine_adds_to_a_configuration_is_left_out() -> None:
    prefix = read_prefix(prefix_config())
    assert prefix.settings == {"Env": ["PATH=/opt/venv/bin"], "WorkingDir": "/opt/lora"}
    assert prefix.labels == {"a": "b"}
    assert prefix.steps[0] == ""  # of the base image, which each engine describes in its own words
    assert prefix.steps[1].startswith("RUN /bin/sh -c /run/torchpin/uv venv")


def test_a_base_image_may_say_nothing_of_its_layers() -> None:
    config = prefix_config()
    del config["history"][0]
    assert read_prefix(config).base == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history": [step("uv pip install")] * 5}, "no step of it makes the environment"),
        ({"history": [step("/run/torchpin/uv venv /opt/venv")] * 6}, "has 5 layers, but a history of 6"),
        ({"rootfs": None}, "not an image configuration"),
        ({"history": ["x"]}, "not an image configuration"),
    ],
)
def test_another_image_is_no_prefix(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prefix(prefix_config() | change)


def test_the_documents_follow_from_the_layers_alone() -> None:
    layers = [layer(BASE, "base"), layer(VENV, "venv")]
    settings = {"User": "worker", "Env": ["A=é"]}
    first = assemble(layers, settings, labels={"b": "2", "a": "1"}, platform="linux/arm64", epoch=86400)
    second = assemble(
        layers,
        dict(reversed(settings.items())),
        labels={"a": "1", "b": "2"},
        platform="linux/arm64",
        epoch=86400,
    )
    assert first == second
    config, manifest = json.loads(first.config), json.loads(first.manifest)
    assert (config["os"], config["architecture"], config["created"]) == (
        "linux",
        "arm64",
        "1970-01-02T00:00:00Z",
    )
    assert config["config"] == {"User": "worker", "Env": ["A=é"], "Labels": {"a": "1", "b": "2"}}
    assert config["rootfs"]["diff_ids"] == [BASE, VENV]
    assert [entry["created_by"] for entry in config["history"]] == ["base", "venv"]
    assert manifest["config"]["digest"] == digest(first.config)
    assert manifest["config"]["size"] == len(first.config)
    assert [entry["digest"] for entry in manifest["layers"]] == [entry.digest for entry in layers]
    other = assemble(layers, settings, labels={"a": "1"}, platform="linux/arm64", epoch=86400)
    assert other.manifest != first.manifest


def test_an_archive_is_one_for_both_kinds_of_engines() -> None:
    layers = [layer(BASE)]
    image = assemble(layers, {}, labels={}, platform="linux/amd64", epoch=0)
    plain, tagged = archive_documents(image), archive_documents(image, ["lora:1", "registry.local/lora:2"])
    manifest_path = blob_path(digest(image.manifest))
    assert plain[manifest_path] == image.manifest
    assert json.loads(plain["manifest.json"]) == [
        {"Config": blob_path(digest(image.config)), "Layers": [blob_path(layers[0].digest)], "RepoTags": None}
    ]
    assert "annotations" not in json.loads(plain["index.json"])["manifests"][0]
    assert json.loads(tagged["manifest.json"])[0]["RepoTags"] == ["lora:1", "registry.local/lora:2"]
    names = [entry["annotations"] for entry in json.loads(tagged["index.json"])["manifests"]]
    assert names == [
        {"io.containerd.image.name": "docker.io/library/lora:1"},
        {"io.containerd.image.name": "registry.local/lora:2"},
    ]


def test_a_chain_is_what_engines_compute() -> None:
    """The digests of two layers of an image, and their chain, as an engine gave them."""
    first = "sha256:5668b1bf45c15744ac86bc3ebaa3cfbf9b9b165267dd5bc50570c969faad8980"
    chain = chain_ids([first, VENV])
    assert chain == (first, digest(f"{first} {VENV}".encode()))
    assert chain_ids([]) == ()
