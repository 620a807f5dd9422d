"""docker-bake.json: its targets say what the build commands do, and no text of theirs is a template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchpin.image.bake import (
    bake_document,
    bake_target,
    is_bake_document,
    network_document,
    pushed,
    with_cache,
)
from torchpin.tools import buildx

CONTEXT = Path(".torchpin/bake/lora-gpu")
LABEL = "io.torchpin.key"


def command(**options: object) -> tuple[str, ...]:
    values: dict[str, object] = {
        "platform": "linux/amd64",
        "tags": ("a/lora-gpu:0123", "a/lora-gpu:latest"),
        "labels": {LABEL: "0123", "title": "b=c"},
        "secrets": {},
        "contexts": {},
        "times": buildx.Times(epoch=5),
        **options,
    }
    return buildx.build_command(CONTEXT, **values)  # type: ignore[arg-type] # values of many types


PLAIN = {
    "context": ".torchpin/bake/lora-gpu",
    "dockerfile": "Dockerfile",
    "platforms": ["linux/amd64"],
    "attest": ["type=provenance,disabled=true"],
    "args": {"SOURCE_DATE_EPOCH": "5"},
    "tags": ["a/lora-gpu:0123", "a/lora-gpu:latest"],
    "labels": {LABEL: "0123", "title": "b=c"},
    "output": ["type=docker"],
}


def test_the_least_target() -> None:
    assert bake_target(command()) == PLAIN


def test_the_whole_target() -> None:
    target = bake_target(
        command(
            secrets={"ca": Path("x/ca"), "network": Path("x/network")},
            contexts={"nvidia/cuda:12.1.1": "docker-image://registry.local/nvidia/cuda:12.1.1"},
            times=buildx.Times(epoch=5, rewritten=True),
            network="host",
            no_cache=True,
            builder="mine",
            attestations=buildx.Attestations(sbom="generator=registry.local/scanner", provenance="mode=max"),
        )
    )
    assert target == {
        **PLAIN,
        "attest": ["type=provenance,mode=max", "type=sbom,generator=registry.local/scanner"],
        "secret": ["id=ca,src=x/ca", "id=network,src=x/network"],
        "contexts": {"nvidia/cuda:12.1.1": "docker-image://registry.local/nvidia/cuda:12.1.1"},
        "network": "host",
        "no-cache": True,
        "output": ["type=docker,rewrite-timestamp=true"],
    }


def test_an_option_that_targets_lack_is_no_silent_loss() -> None:
    *words, context = command()
    with pytest.raises(ValueError, match="--ulimit has no place"):
        bake_target((*words, "--ulimit", "nofile=5", context))


def test_the_tag_of_the_key_is_pushed_last() -> None:
    target = pushed(bake_target(command(times=buildx.Times(epoch=5, rewritten=True))))
    assert target["tags"] == ["a/lora-gpu:latest", "a/lora-gpu:0123"]
    assert target["output"] == ["type=registry,rewrite-timestamp=true"]


@pytest.mark.parametrize("writes", [True, False])
def test_a_cache_is_read_and_where_the_builder_can_written(writes: bool) -> None:
    target = with_cache(PLAIN, "registry.local/cache/lora-gpu:cache", writes=writes)
    assert target["cache-from"] == ["type=registry,ref=registry.local/cache/lora-gpu:cache"]
    assert target.get("cache-to", [""])[0].startswith(
        "type=registry,ref=registry.local/cache/lora-gpu:cache,mode=max" if writes else ""
    )
    assert ("cache-to" in target) is writes


def test_texts_are_no_templates() -> None:
    document = json.loads(bake_document({"lora-gpu": {**PLAIN, "labels": {"${a}": "50 %{b} ${c}"}}}))
    assert document["target"]["lora-gpu"]["labels"] == {"$${a}": "50 %%{b} $${c}"}
    assert document["group"] == {"default": {"targets": ["lora-gpu"]}}


def test_a_compose_file_says_the_network_for_older_releases() -> None:
    assert json.loads(network_document(["a", "b"], "host")) == {
        "services": {"a": {"build": {"network": "host"}}, "b": {"build": {"network": "host"}}}
    }


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        (bake_document({"lora-gpu": PLAIN}), True),
        (bake_document({"lora-gpu": {**PLAIN, "labels": {}}}), False),
        ('{"target": {"app": {"context": "."}}}', False),
        ('{"group": {}}', False),
        ("[]", False),
        ("not JSON", False),
    ],
)
def test_somebody_else_s_file_is_known(text: str, is_own: bool) -> None:
    assert is_bake_document(text, LABEL) is is_own
