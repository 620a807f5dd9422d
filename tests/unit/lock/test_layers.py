"""A resolution is split into layers, and a layer's digest covers its own inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.layers import make_layer
from torchpin.lock.layers import inputs_digest, layer_names, split_layers
from torchpin.model import Artifact, Environment, Run, Torch

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments


def names_by_layer(env: Environment, *packages: Artifact) -> dict[str, list[str]]:
    layers = split_layers(env, packages, uv="0.13.9")[0]
    return {layer_lock.name: [package.name for package in layer_lock.packages] for layer_lock in layers}


def test_a_resolution_is_split_by_who_wants_what(environment: Environments, artifact: Artifacts) -> None:
    env = environment(layers=(make_layer("one", "a==1"), make_layer("two", "b==1", "shared-declared==1")))
    assert names_by_layer(
        env,
        artifact("torch", by=("lora",)),
        artifact("torchvision", by=("lora",)),
        artifact("triton", by=("torch",)),
        artifact("below-triton", by=("triton",)),
        artifact("filelock", by=("torch", "a")),
        artifact("a", by=("lora",)),
        artifact("b", by=("lora",)),
        artifact("shared-declared", by=("lora", "a")),
        artifact("below-declared", by=("shared-declared",)),
        artifact("both", by=("a", "b")),
        artifact("only-b", by=("b",)),
        artifact("below-only-b", by=("only-b",)),
    ) == {
        "00-torch": ["torch", "torchvision"],
        "01-torch-deps": ["below-triton", "triton"],
        "02-one": ["a", "below-declared", "both", "filelock"],
        "03-two": ["b", "below-only-b", "only-b", "shared-declared"],
    }


def test_members_of_the_family_are_in_the_torch_layer_whoever_requires_them(
    environment: Environments, artifact: Artifacts
) -> None:
    torch = Torch(version=Version("2.5.1"), companions={})
    packages = (
        artifact("torch", by=("lora",)),
        artifact("torchvision", by=("timm",)),
        artifact("torchaudio", by=("lora",)),
        artifact("torchtext", by=("lora",)),
        artifact("timm", by=("lora",)),
        artifact("pillow", by=("torchvision",)),
    )
    pins = ("timm==1", "torchaudio==2.5.1", "torchtext==0.18.0")
    assert names_by_layer(environment(torch=torch, layers=(make_layer("one", *pins),)), *packages) == {
        "00-torch": ["torch", "torchaudio", "torchvision"],
        "01-torch-deps": ["pillow"],
        "02-one": ["timm", "torchtext"],
    }
    from_pypi = environment(channel="pypi", torch=torch, layers=(make_layer("one", *pins),))
    assert names_by_layer(from_pypi, *packages)["02-one"] == [
        "pillow", "timm", "torchaudio", "torchtext", "torchvision"
    ]  # fmt: skip


def test_packages_that_want_each_other_are_split_too(environment: Environments, artifact: Artifacts) -> None:
    env = environment(layers=(make_layer("one", "a==1"),))
    split_names = names_by_layer(
        env, artifact("a", by=("lora", "b")), artifact("b", by=("a",)), artifact("c", by=("c",))
    )
    assert split_names["02-one"] == ["a", "b"]
    assert split_names["01-torch-deps"] == ["c"]


def test_a_declared_name_is_found_however_it_is_spelled(
    environment: Environments, artifact: Artifacts
) -> None:
    env = environment(layers=(make_layer("one", "Ruamel.YAML==1"),))
    assert names_by_layer(env, artifact("ruamel-yaml", by=("lora",)))["02-one"] == ["ruamel-yaml"]


def test_a_layer_knows_its_origin_and_whether_it_is_optional(environment: Environments) -> None:
    env = environment(layers=(make_layer("one"), make_layer("two", optional=True)))
    layers = split_layers(env, (), uv="0.13.9")[0]
    assert [(layer_lock.file, layer_lock.origin, layer_lock.optional) for layer_lock in layers] == [
        ("00-torch.requirements.txt", "cu121", False),
        ("01-torch-deps.requirements.txt", "pypi", False),
        ("02-one.requirements.txt", "pypi", False),
        ("03-two.requirements.txt", "pypi", True),
    ]
    assert {
        (layer_lock.environment, layer_lock.python, layer_lock.platform, layer_lock.uv)
        for layer_lock in layers
    } == {("lora-gpu", "3.10.14", "linux/amd64", "0.13.9")}


@given(data=st.data())
def test_no_package_is_lost_and_none_comes_twice(
    data: st.DataObject, environment: Environments, artifact: Artifacts
) -> None:
    extra_names = [f"p{number}" for number in range(8)]
    all_names = ["torch", "torchvision", *extra_names]
    declared = data.draw(st.lists(st.sampled_from(extra_names), unique=True, max_size=5))
    cut = data.draw(st.integers(0, len(declared)))
    layers = (
        make_layer("one", *(f"{name}==1" for name in declared[:cut])),
        make_layer("two", *(f"{name}==1" for name in declared[cut:])),
    )
    env = environment(layers=layers)
    parents = st.lists(st.sampled_from([*all_names, "lora"]), max_size=3, unique=True).map(tuple)
    packages = [artifact(name, by=data.draw(parents)) for name in all_names]
    split_names = names_by_layer(env, *data.draw(st.permutations(packages)))
    assert sorted(name for names in split_names.values() for name in names) == sorted(all_names)
    assert split_names["00-torch"] == ["torch", "torchvision"]
    for declared_layer, content in zip(layers, list(split_names.values())[2:], strict=True):
        assert {canonicalize_name(package.name) for package in declared_layer.packages} <= {*content}
    assert all(content == sorted(content) for content in split_names.values())
    required_by = {package.name: {*package.required_by} for package in packages}
    for name in split_names["01-torch-deps"]:  # only torch and what torch wants wants them
        assert required_by[name] <= {"torch", "torchvision", "lora", *split_names["01-torch-deps"]}


LAYERS = (make_layer("one", "a==1"), make_layer("two", "b==1"))
TORCH, DEPS, ONE, TWO, BUILD = "00-torch", "01-torch-deps", "02-one", "03-two", "build"


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        ({"summary": "other", "apt": ("git",), "run": Run(ports=(80,))}, ""),
        ({"python": Version("3.10.15")}, [TORCH, DEPS, ONE, TWO, BUILD]),
        ({"platform": "linux/arm64"}, [TORCH, DEPS, ONE, TWO, BUILD]),
        ({"channel": "cu124"}, [TORCH, DEPS]),
        ({"torch": Torch(version=Version("2.6.0"), companions={})}, [TORCH, DEPS]),
        ({"layers": (make_layer("one", "a==2"), LAYERS[1])}, [ONE]),
        ({"layers": (make_layer("one", "a[x]==1"), LAYERS[1])}, [ONE]),
        ({"layers": (LAYERS[0], make_layer("two", "b==1", "c==1"))}, [TWO]),
        ({"layers": (LAYERS[0], make_layer("two", "b==1", optional=True))}, [TWO]),
    ],
)
def test_a_layer_is_stale_exactly_when_its_own_part_changes(
    environment: Environments, changes: dict[str, Any], stale: list[str]
) -> None:
    before, after = environment(layers=LAYERS), environment(**{"layers": LAYERS, **changes})
    names = [*layer_names(before), BUILD]
    assert [name for name in names if inputs_digest(before, name) != inputs_digest(after, name)] == [*stale]


def test_the_order_of_pins_is_no_part_of_the_question(environment: Environments) -> None:
    env = environment(layers=(make_layer("one", "a==1", "b==1"),))
    reordered = environment(layers=(make_layer("one", "b==1", "a==1"),))
    assert inputs_digest(env, ONE) == inputs_digest(reordered, ONE)
