"""LCK003: a member of torch's family comes from torch's channel, whoever requires it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.checks import LOCK_DIR, UV, Builders, make_torch
from support.layers import make_layer
from torchpin.lock.layers import split_layers
from torchpin.model import Lock, Torch

if TYPE_CHECKING:
    from torchpin.model import Artifact, Environment, Finding


def env_with(kit: Builders, *pins: str, torch: str = "2.8.0", channel: str = "cpu") -> Environment:
    return kit.environment(channel=channel, torch=make_torch(torch), layers=(make_layer("model", *pins),))


def moved(lock: Lock, name: str, layer: str, version: str) -> Lock:
    """The lock as the resolver made it that took only declared companions from the channel."""
    artifact = replace(
        next(package for package in lock.all_packages.values() if package.name == name), version=version
    )
    layers = tuple(
        replace(
            layer_lock,
            packages=(
                *(package for package in layer_lock.packages if package.name != name),
                *([artifact] if layer_lock.name == layer else []),
            ),
        )
        for layer_lock in lock.layers
    )
    return replace(lock, layers=layers)


def make_lock(env: Environment, *packages: Artifact) -> Lock:
    layers, provided = split_layers(env, packages, uv=UV)
    return Lock(layers=layers, provided=provided)


def findings(kit: Builders, env: Environment, lock: Lock) -> tuple[Finding, ...]:
    return kit.check_lock("LCK003", env, locks=lock).findings


@pytest.mark.parametrize(
    ("name", "version", "requirer"),
    [("torchvision", "0.23.0", "timm"), ("torchaudio", "2.8.0", "speechbrain"), ("fbgemm-gpu", "1.3.0", "torchrec")],
)  # fmt: skip
def test_a_member_that_another_package_brings_is_of_the_channel(
    name: str, version: str, requirer: str, kit: Builders
) -> None:
    env = env_with(kit, f"{requirer}==1.0")
    lock = make_lock(
        env,
        kit.artifact("torch", "2.8.0+cpu", by=("lora",)),
        kit.artifact(name, f"{version}+cpu", by=(requirer,)),
        kit.artifact(requirer, "1.0", by=("lora",)),
    )
    assert [layer.name for layer in lock.layers if name in {package.name for package in layer.packages}] == [
        "00-torch"
    ]
    assert findings(kit, env, lock) == ()
    (finding,) = findings(kit, env, moved(lock, name, "02-model", version))
    assert (finding.about, finding.location) == (name, f"{LOCK_DIR}/02-model.requirements.txt")
    assert finding.message == (
        f"{name} {version} is locked from pypi in 02-model; "
        f"it belongs in 00-torch, from cpu as torch, whoever requires it ({requirer})"
    )
    (finding,) = findings(kit, env, moved(lock, name, "00-torch", version))
    assert finding.message == f"{name} {version} is not the cpu build of {version}"


def test_a_member_that_a_layer_declares_is_of_the_channel_in_its_version(kit: Builders) -> None:
    env = env_with(kit, "torchvision==0.23.0")
    torch = kit.artifact("torch", "2.8.0+cpu", by=("lora",))
    lock = make_lock(env, torch, kit.artifact("torchvision", "0.23.0+cpu", by=("lora",)))
    assert findings(kit, env, lock) == ()
    other = make_lock(env, torch, kit.artifact("torchvision", "0.22.1+cpu", by=("lora",)))
    (finding,) = findings(kit, env, other)
    assert finding.message == "torchvision 0.22.1+cpu is not the cpu build of 0.23.0"
    (finding,) = findings(kit, env, make_lock(env, torch))
    assert finding.message == "torchvision is not locked"


@pytest.mark.parametrize("name", ["torchtext", "torchcodec", "xformers", "torchdata"])
def test_a_partner_that_has_no_build_for_each_channel_is_of_pypi(name: str, kit: Builders) -> None:
    env = env_with(kit, "timm==1.0")
    torch, timm = kit.artifact("torch", "2.8.0+cpu", by=("lora",)), kit.artifact("timm", "1.0", by=("lora",))
    lock = make_lock(env, torch, timm, kit.artifact(name, "1.0", by=("timm",)))
    assert name in {package.name for package in lock.layers[2].packages}
    assert findings(kit, env, lock) == ()


def test_where_torch_comes_from_pypi_all_may(kit: Builders) -> None:
    env = env_with(kit, "timm==1.0", channel="pypi")
    lock = make_lock(
        env,
        kit.artifact("torch", "2.8.0", by=("lora",)),
        kit.artifact("timm", "1.0", by=("lora",)),
        kit.artifact("torchvision", "0.23.0", by=("timm",)),
    )
    assert findings(kit, env, lock) == ()


@pytest.mark.parametrize(("channel", "is_right"), [("cu126", False), ("cu128", True)])
def test_beside_the_torch_of_a_base_pypi_s_build_is_right_for_its_own_cuda_alone(
    channel: str, is_right: bool, kit: Builders
) -> None:
    torch = Torch(version=Version("2.8.0"), companions={}, origin="base")
    env = kit.environment(channel=channel, torch=torch, layers=(make_layer("model", "timm==1.0"),))
    lock = make_lock(
        env,
        kit.artifact("torch", f"2.8.0+{channel}", by=("lora",)),
        kit.artifact("timm", "1.0", by=("lora",)),
        kit.artifact("torchvision", "0.23.0", by=("timm",)),
    )
    messages = findings(kit, env, lock)
    assert [finding.about for finding in messages] == ([] if is_right else ["torchvision"])
    assert all(
        "timm requires it: name it under `torch.companions`" in finding.message for finding in messages
    )
