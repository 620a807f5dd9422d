"""The addresses that follow from a lock alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.abi_wheels import ATTENTION, LAYER_ONE, RELEASE, WHEEL, make_environment, make_lock, resolution
from torchpin.lock.locations import file_urls

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

CHANNEL = "https://download.pytorch.org/whl/cu121"


def test_files_of_a_channel_lie_in_its_folder_and_those_of_pypi_are_unknown(
    environment: Environments, lock: Locks
) -> None:
    env = environment()
    locked = lock(env)
    assert file_urls(env, locked, {}) == {
        package.name: f"{CHANNEL}/{package.filename.replace('+', '%2B')}"
        for package in locked.layers[0].packages
    }
    assert {"torch", "torchvision"} < {*locked.packages}


def test_a_mirror_of_a_channel_may_lay_its_files_out_otherwise(
    environment: Environments, lock: Locks
) -> None:
    assert file_urls(environment(), lock(environment()), {"cu121": "https://mirror.example/cu121"}) == {}
    assert len(file_urls(environment(), lock(environment()), {"pypi": "https://mirror.example/simple"})) == 2


def test_an_abi_wheel_lies_at_its_release_or_at_the_mirror_of_that(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    locked = make_lock(env, resolution(artifact))
    name = WHEEL.replace("+", "%2B")
    assert file_urls(env, locked, {}) == {"flash-attn": f"{RELEASE}/{name}"}
    mirror = {"flash-attn": "https://mirror.example/flash/"}
    assert file_urls(env, locked, mirror) == {"flash-attn": f"https://mirror.example/flash/{name}"}
