"""Layers of environments with torch from the base image and wheels with an ABI in their name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.abi_wheels import (
    ATTENTION,
    DIGEST,
    FAMILY,
    FLASH,
    LAYER_ONE,
    LAYER_TWO,
    WHEEL,
    layer_contents,
    make_environment,
    make_lock,
    resolution,
)
from support.layers import make_layer
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.lock.layers import layer_names, outdated_files
from torchpin.model import Base, Environment, Lock, Torch

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments


def test_a_base_s_torch_has_no_layers_of_its_own(environment: Environments) -> None:
    assert layer_names(make_environment(environment, ATTENTION, LAYER_ONE)) == (
        "01-attention",
        "02-one",
    )
    assert layer_names(make_environment(environment, ATTENTION, LAYER_ONE, origin="index")) == (
        "00-torch", "01-torch-deps", "02-attention", "03-one",
    )  # fmt: skip
    assert layer_names(make_environment(environment)) == ()


def test_nothing_of_torch_is_installed_over_a_base_s(environment: Environments, artifact: Artifacts) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE, LAYER_TWO), resolution(artifact))
    assert layer_contents(lock) == {
        "01-attention": ["flash-attn"],
        "02-one": ["a", "einops", "filelock"],
        "03-two": ["b"],
    }
    assert lock.provided
    assert [(package.name, package.version) for package in lock.provided.packages] == [
        ("torch", "2.7.1+cu126"), ("torchaudio", "2.7.1+cu126"), ("torchvision", "0.22.1+cu126"),
    ]  # fmt: skip
    assert (lock.provided.name, lock.provided.origin, lock.provided.file) == (
        "00-given",
        "cu126",
        "00-given.requirements.txt",
    )
    assert {"torch", "triton", "nvidia-cudnn-cu12"} & {*lock.packages} == set()
    assert {"torch", "torchvision", "torchaudio"} <= {*lock.all_packages}


def test_an_index_s_torch_is_installed_and_nothing_is_given(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = make_lock(
        make_environment(environment, ATTENTION, LAYER_ONE, origin="index"), resolution(artifact)
    )
    assert lock.provided is None
    assert layer_contents(lock) == {
        "00-torch": ["torch", "torchaudio", "torchvision"],
        "01-torch-deps": ["b", "nvidia-cudnn-cu12", "triton"],
        "02-attention": ["flash-attn"],
        "03-one": ["a", "einops", "filelock"],
    }


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_wheel_with_an_abi_is_alone_in_its_layer_with_its_own_origin(
    environment: Environments, artifact: Artifacts, position: int
) -> None:
    layers = [LAYER_ONE, LAYER_TWO]
    layers.insert(position, ATTENTION)
    lock = make_lock(make_environment(environment, *layers), resolution(artifact))
    assert [layer_lock.origin for layer_lock in lock.layers if layer_lock.name.endswith("-attention")] == [
        "flash-attn"
    ]
    assert {
        layer_lock.origin for layer_lock in lock.layers if not layer_lock.name.endswith("-attention")
    } == {"pypi"}
    (attention,) = [layer_lock for layer_lock in lock.layers if layer_lock.name.endswith("-attention")]
    assert [(package.name, package.filename, package.sha256) for package in attention.packages] == [
        ("flash-attn", WHEEL, DIGEST)
    ]
    (home,) = [name for name, package_names in layer_contents(lock).items() if "einops" in package_names]
    assert home.endswith(("-one", "-two"))


def test_what_a_service_declares_stays_where_it_is_declared(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, make_layer("restoration", "einops==0.8.1"))
    lock = make_lock(env, resolution(artifact))
    assert layer_contents(lock)["03-restoration"] == ["einops"]
    assert layer_contents(lock)["02-one"] == ["a", "filelock"]


def test_optional_layers_keep_their_word(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(
        environment,
        make_layer("attention", FLASH, optional=True),
        LAYER_ONE,
        replace(LAYER_TWO, optional=True),
    )
    lock = make_lock(env, resolution(artifact))
    assert [(layer_lock.name, layer_lock.optional) for layer_lock in lock.layers] == [
        ("01-attention", True), ("02-one", False), ("03-two", True),
    ]  # fmt: skip
    assert [step.optional for step in plan.install_steps(env, lock)] == [True, False, True]
    expectations: Any = plan.probe_expectations(env, lock)
    assert expectations["optional"] == {"b": "1", "flash-attn": "2.8.3"}
    assert {*expectations["distributions"]} == {"a", "einops", "filelock"}


@pytest.mark.parametrize("optional_first", [True, False])
def test_what_must_be_there_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts, *, optional_first: bool
) -> None:
    """A failed optional layer takes nothing from the others: what both want is installed with the one that must be."""
    layers = [make_layer("extras", "a==1", optional=True), LAYER_TWO]
    env = make_environment(environment, *(layers if optional_first else layers[::-1]))
    shared = [
        artifact("shared", by=("a", "b")),
        artifact("below", by=("shared",)),
        artifact("own", by=("a",)),
    ]
    lock = make_lock(env, resolution(artifact, *shared))
    names_by_layer = layer_contents(lock)
    required, optional = (
        next(name for name in names_by_layer if name.endswith(suffix)) for suffix in ("-two", "-extras")
    )
    assert {"shared", "below"} <= {*names_by_layer[required]}
    assert "own" in names_by_layer[optional]


def test_what_a_wheel_with_an_abi_wants_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, replace(LAYER_ONE, optional=True), LAYER_TWO)
    assert "einops" in layer_contents(make_lock(env, resolution(artifact)))["03-two"]


def test_without_a_layer_from_pypi_nothing_is_put_beside_the_wheel(
    environment: Environments, artifact: Artifacts
) -> None:
    """A layer has one origin: what the wheel requires goes with torch's dependencies, or is an input error."""
    packages = [package for package in resolution(artifact) if package.name not in {"a", "b"}]
    index_env = make_environment(environment, ATTENTION, origin="index")
    assert layer_contents(make_lock(index_env, packages))["01-torch-deps"] == [
        "einops", "filelock", "nvidia-cudnn-cu12", "triton",
    ]  # fmt: skip
    with pytest.raises(InputError, match="flash-attn"):
        make_lock(make_environment(environment, ATTENTION), packages)


def outdated_names(env: Environment, lock: Lock) -> list[str]:
    return [file for file, _, _ in outdated_files(env, lock)]


def test_a_fresh_lock_of_these_shapes_is_not_stale(environment: Environments, artifact: Artifacts) -> None:
    for origin in ("base", "index"):
        env = make_environment(environment, ATTENTION, LAYER_ONE, LAYER_TWO, origin=origin)
        assert outdated_names(env, make_lock(env, resolution(artifact))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"torch": Torch(version=Version("2.7.0"), companions=FAMILY, origin="base")}, ["01-attention.requirements.txt", "00-given.requirements.txt"]),
        ({"torch": Torch(version=Version("2.7.1"), companions={}, origin="base")}, ["00-given.requirements.txt"]),
        ({"channel": "cu128"}, ["01-attention.requirements.txt", "00-given.requirements.txt"]),
        ({"python": Version("3.12")}, ["01-attention.requirements.txt", "02-one.requirements.txt", "00-given.requirements.txt"]),
        ({"layers": (ATTENTION, make_layer("one", "a==2"))}, ["02-one.requirements.txt"]),
        ({"layers": (make_layer("attention", "flash-attn==2.8.2"), LAYER_ONE)}, ["01-attention.requirements.txt"]),
        ({"layers": (make_layer("attention", FLASH, optional=True), LAYER_ONE)}, ["01-attention.requirements.txt"]),
        ({"base": Base(image="pytorch/pytorch:other"), "summary": "other"}, []),
    ],
    ids=["torch", "companions", "channel", "Python", "a pin", "the wheel", "optional", "the image's tag"],
)  # fmt: skip
def test_a_layer_is_stale_exactly_when_its_own_part_changes(
    environment: Environments, artifact: Artifacts, changes: dict[str, Any], expected: list[str]
) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact))
    after = make_environment(environment, **{"layers": (ATTENTION, LAYER_ONE), **changes})
    assert outdated_names(after, lock) == expected


def test_a_lock_of_another_origin_is_stale_in_both_directions(
    environment: Environments, artifact: Artifacts
) -> None:
    base_env = make_environment(environment, ATTENTION, LAYER_ONE)
    index_env = make_environment(environment, ATTENTION, LAYER_ONE, origin="index")
    assert "00-given.requirements.txt" in outdated_names(base_env, make_lock(index_env, resolution(artifact)))
    assert {"00-given.requirements.txt", "00-torch.requirements.txt"} <= {
        *outdated_names(index_env, make_lock(base_env, resolution(artifact)))
    }
    assert outdated_names(base_env, replace(make_lock(base_env, resolution(artifact)), provided=None)) == [
        "00-given.requirements.txt"
    ]
