"""Which packages the lab has, and what it says of them in its first and its last line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.layers import make_layer
from torchpin.lab import scope
from torchpin.lab.stands_for import closing_line, left_out_lines, opening_line
from torchpin.model import Source

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

LARGE = scope.MAX_PACKAGE_BYTES + 1


def described(environment: Environments, lock: Locks, artifact: Artifacts) -> tuple[Environment, Lock]:
    """tqdm is small, heavy is large, light requires it; built is for one Python, rest is required by heavy alone."""
    layer = make_layer("training", "tqdm==4.66.5", "light==1.0", "heavy==1.0", "built==1.0")
    source = Source(name="sd-scripts", url="u", tag="v1", commit="0f" * 20, path="third_party/sd-scripts")
    env = environment(layers=(layer,), sources=(source,), apt=("curl", "git"))
    packages = (
        artifact("light", by=("lora",)),
        artifact("heavy", by=("lora", "light"), size=LARGE),
        artifact("built", by=("lora",), filename="built-1.0-cp310-cp310-linux_x86_64.whl"),
        artifact("rest", by=("heavy",)),
    )
    return env, lock(env, *packages)


def test_each_package_is_there_a_stub_or_left_out_with_its_reason(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    small = scope.expected_scope(*described(environment, lock, artifact), full=False)
    assert (small.real, small.stubs, small.total) == (("tqdm",), ("torch", "torchvision"), 8)
    assert small.left_out == {
        "built": "built for each Python",
        "heavy": "larger than 3 MB",
        "light": "require one that is left out",
        "nvidia-cudnn-cu12": "only torch requires them",
        "rest": "not required by what is there",
    }


def test_in_full_only_torchs_own_libraries_are_left_out(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    full = scope.expected_scope(*described(environment, lock, artifact), full=True)
    assert full.real == ("built", "heavy", "light", "rest", "tqdm")
    assert full.left_out == {"nvidia-cudnn-cu12": "only torch requires them"}


def test_what_the_labs_lock_lacks_is_left_out_though_it_was_expected(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env, locked = described(environment, lock, artifact)
    lab_lock = replace(locked, layers=locked.layers[:1], wheels=())
    without = scope.locked_scope(env, locked, lab_lock, full=False)
    assert (without.real, without.left_out["tqdm"]) == ((), "not required by what is there")
    assert without.total == 8


def test_the_first_and_the_last_line_count_what_is_there_and_name_the_stubs(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env, locked = described(environment, lock, artifact)
    small = scope.expected_scope(env, locked, full=False)
    assert opening_line(env, small) == (
        "lab: lora-gpu with 1 of its 8 packages; stubs for torch, torchvision, the source sd-scripts and the base image; "
        "without 5 packages and 2 system packages"
    )
    assert closing_line(env, small, done="built and checked", has_image=True) == (
        "lora-gpu: built and checked in the lab: 1 of 8 packages, with stubs for torch, torchvision, the source sd-scripts "
        "and the base image, without 5 packages and 2 system packages (`--verbose` lists them)"
    )
    natively = closing_line(env, small, done="installed, without an image, and checked", has_image=False)
    assert "the base image" not in natively
    assert left_out_lines(env, small)[1:] == (
        "lab: left out, larger than 3 MB: heavy",
        "lab: left out, require one that is left out: light",
        "lab: left out, only torch requires them: nvidia-cudnn-cu12",
        "lab: left out, not required by what is there: rest",
        "lab: left out, packages of the system: curl, git",
    )
