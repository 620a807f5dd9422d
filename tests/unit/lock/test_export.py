"""The requirements and install files that are made from a lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.abi_wheels import ATTENTION, DIGEST, LAYER_ONE, WHEEL, make_environment, make_lock, resolution
from support.layers import make_layer
from torchpin.lock import export, file_format

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import LayerLock


@pytest.fixture
def wheel_layer(environment: Environments, artifact: Artifacts) -> LayerLock:
    return make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact)).layers[0]


def test_a_file_of_no_index_is_named_by_the_variable_of_its_place(wheel_layer: LayerLock) -> None:
    file = WHEEL.replace("+", "%2B")
    assert export.install_file(wheel_layer) == (
        f"flash-attn @ ${{TORCHPIN_MIRROR_FLASH_ATTN}}/{file} --hash=sha256:{DIGEST}\n"
    )


def test_a_layer_of_an_index_is_given_as_plain_pins(environment: Environments, artifact: Artifacts) -> None:
    (_, layer_lock) = make_lock(
        make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact)
    ).layers
    assert export.install_file(layer_lock) == file_format.installer_requirements(layer_lock)
    assert "@" not in export.install_file(layer_lock)


def test_the_requirements_are_the_whole_lock_with_the_known_addresses(
    environment: Environments, lock: Locks
) -> None:
    env = environment(layers=(make_layer("empty"), make_layer("training", "tqdm==4.66.5")))
    urls = {"torch": "https://index.example/torch-2.5.1%2Bcu121-py3-none-any.whl"}
    text = export.render_requirements(env, lock(env), urls)
    assert re.sub(r"[0-9a-f]{64}", "<64>", text) == (
        "# lora-gpu: Python 3.10.14, linux/amd64. Install with --no-deps --require-hashes.\n"
        "# 00-torch, from the cu121 index\n"
        "torch @ https://index.example/torch-2.5.1%2Bcu121-py3-none-any.whl --hash=sha256:<64>\n"
        "torchvision==0.20.1+cu121 --hash=sha256:<64>\n"
        "# 01-torch-deps, from PyPI\n"
        "nvidia-cudnn-cu12==9.1.0.70 --hash=sha256:<64>\n"
        "# 02-empty, from PyPI\n"
        "# 03-training, from PyPI\n"
        "tqdm==4.66.5 --hash=sha256:<64>\n"
    )
