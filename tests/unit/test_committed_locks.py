"""The committed locks of services whose torch comes from the base image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.compat.wheels import abi_wheels
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.image import plan
from torchpin.lock import file_format, layers

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["seedvr", "videogen"])
def committed(request: pytest.FixtureRequest) -> tuple[Environment, Lock]:
    path = f"services/{request.param}/service.yaml"
    services = read.read_services({path: (ROOT / path).read_text(encoding="utf-8")})
    (env,) = select_environments(services)
    folder = ROOT / "lockfiles" / env.name
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.txt")}
    return env, file_format.parse_lock(f"lockfiles/{env.name}", texts)


def test_a_committed_lock_has_the_base_s_torch_and_installs_none(committed: tuple[Environment, Lock]) -> None:
    env, lock = committed
    assert lock.provided
    assert {package.name: package.version for package in lock.provided.packages} == {
        name: f"{version}+{env.variant.channel}" for name, version in env.service.torch.family.items()
    }
    names = {package.name for layer_lock in lock.layers for package in layer_lock.packages}
    assert not {*env.service.torch.family} & names
    assert not [name for name in names if name.startswith("nvidia-") or name in {"triton", "pytorch-triton"}]
    assert [layer_lock.name for layer_lock in lock.layers] == [*layers.layer_names(env)]
    assert not {layers.TORCH, layers.TORCH_DEPS} & {layer_lock.name for layer_lock in lock.layers}
    assert sorted(package.name for package in lock.provided.packages) == sorted(
        plan.probe_expectations(env, lock)["inherited"]
    )  # type: ignore[call-overload]


def test_a_committed_lock_takes_flash_attn_first_by_the_facts(committed: tuple[Environment, Lock]) -> None:
    env, lock = committed
    (wheel,) = abi_wheels(env).values()
    first = lock.layers[0]
    assert first.origin == "flash-attn"
    assert [(package.name, package.filename, package.sha256) for package in first.packages] == [
        ("flash-attn", wheel.filename, wheel.sha256)
    ]
    assert "einops" in lock.packages
    assert {layer_lock.origin for layer_lock in lock.layers[1:]} == {"pypi"}


def test_no_required_package_of_a_committed_lock_is_in_an_optional_layer(
    committed: tuple[Environment, Lock],
) -> None:
    _, lock = committed
    home = {package.name: layer_lock for layer_lock in lock.layers for package in layer_lock.packages}
    wrong = [
        f"{package.name} in {layer_lock.name}, required by {parent}"
        for layer_lock in lock.layers
        if layer_lock.optional
        for package in layer_lock.packages
        for parent in package.required_by
        if parent in home and not home[parent].optional
    ]
    assert wrong == []
