"""Freeze records are written, parsed, and compared with locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from torchpin.model import Layer, Lock
from torchpin.records.freeze import format_freeze, freeze_changes, freeze_differences, parse_freeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Service

HASH = "0f" * 32
FREEZE = "nvidia-cudnn-cu12==9.1.0.70\ntorch==2.5.1+cu121\ntorchvision==0.20.1+cu121\ntqdm==4.66.5\n"


def test_a_record_is_sorted_and_parses_back() -> None:
    text = format_freeze({"tqdm": "4.66.5", "Pillow": "11.0"})
    assert text == "Pillow==11.0\ntqdm==4.66.5\n"
    assert {name: package.version for name, package in parse_freeze(text).items()} == {
        "pillow": "11.0",
        "tqdm": "4.66.5",
    }


@pytest.mark.parametrize(
    ("line", "version", "sha256"),
    [
        ("flash_attn==2.8.3", "2.8.3", ""),
        (f"  Flash-Attn==2.8.3 --hash=sha256:{HASH}", "2.8.3", HASH),
        ('flash-attn==2.8.3 ; platform_machine == "x86_64"', "2.8.3", ""),
        (f"flash-attn @ https://host/f/flash_attn-2.8.3%2Bcu12-cp310-cp310-linux_x86_64.whl#sha256={HASH}", "2.8.3+cu12", HASH),
        ("flash-attn @ file:///tmp/flash.tar.gz", "flash.tar.gz", ""),
    ],
)  # fmt: skip
def test_a_line_has_a_name_and_a_version(line: str, version: str, sha256: str) -> None:
    (package,) = parse_freeze(f"# a comment==1\n-e .\n{line}\n").values()
    assert (package.name, package.version, package.sha256) == ("flash-attn", version, sha256)


def test_what_changed_between_two_records() -> None:
    assert freeze_changes("a==1\nb==1\nC==1\n", "b==2\nc==1\nd==1\n") == (
        "a 1 -> (removed)",
        "b 1 -> 2",
        "d (new) -> 1",
    )


def test_a_freeze_that_is_the_lock_does_not_differ(lock: Locks) -> None:
    assert freeze_differences(FREEZE, lock()) == ()


def test_a_freeze_in_the_packages_own_spelling_does_not_differ(lock: Locks) -> None:
    spelled = FREEZE.replace("nvidia-cudnn-cu12", "NVIDIA_cuDNN.cu12").replace("tqdm", "TQDM")
    assert freeze_differences(spelled, lock()) == ()


def test_a_freeze_that_differs_says_how_for_each_package(lock: Locks) -> None:
    freeze = FREEZE.replace("4.66.5", "4.67.0").replace("torchvision", "numpy")
    assert freeze_differences(freeze, lock()) == (
        "numpy: 0.20.1+cu121 is installed, but not locked",
        "torchvision: 0.20.1+cu121 is locked, but it is not installed",
        "tqdm: 4.66.5 is locked, but 4.67.0 is installed",
    )


@pytest.fixture
def with_optional(
    environment: Environments, lock: Locks, artifact: Artifacts, service: Callable[..., Service]
) -> Lock:
    layers = (*service().layers, Layer(name="more", packages=(Requirement("einops==0.7.0"),), optional=True))
    env = environment(layers=layers)
    return lock(env, artifact("einops", "0.7.0", by=("lora",)))


def test_an_optional_layer_may_be_missing_from_an_image(with_optional: Lock) -> None:
    assert freeze_differences(FREEZE, with_optional) == ()
    assert freeze_differences(FREEZE + "einops==0.7.0\n", with_optional) == ()


def test_an_optional_layer_that_is_there_must_be_the_lock_s(with_optional: Lock) -> None:
    assert freeze_differences(FREEZE + "einops==0.8.0\n", with_optional) == (
        "einops: 0.7.0 is locked, but 0.8.0 is installed",
    )
