"""LCK: a lock that matches its description, unedited, hashed, and from the pinned index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.requirements import Requirement

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import (
    LOCK_DIR,
    LOCK_FILES,
    RECORDED_TORCH_HASH,
    TORCH_LAYER,
    TRAINING_LAYER,
    Builders,
    environment_with_source,
    pytorch_lock,
    replace_layer,
    run_check,
)
from torchpin.description.policy import Policy
from torchpin.lock.layers import layer_names
from torchpin.model import Layer, Upstream, WheelContents

UPSTREAM_FILE = f"{LOCK_DIR}/upstream-sd-scripts.requirements.txt"
UPSTREAM = Upstream(
    source="sd-scripts", tag="v0.10.0", commit="9" * 40, file="requirements.txt", requirements=()
)


PASSES = [
    Case("LCK001", "a fresh lock", lambda kit: kit.check_lock("LCK001")),
    Case(
        "LCK001",
        "with what it builds and what its source requires",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_source(kit, requirements=("requirements.txt",)),
            locks=replace(
                kit.lock(
                    kit.environment(),
                    kit.artifact("schedulefree", "1.4", filename="schedulefree-1.4.tar.gz", by=("lora",)),
                    build=(kit.artifact("wheel", by=("schedulefree",)),),
                ),
                upstreams=(UPSTREAM,),
            ),
        ),
    ),
    Case("LCK002", "a whole lock", lambda kit: kit.check_lock("LCK002")),
    Case("LCK003", "torch of the channel", lambda kit: kit.check_lock("LCK003")),
    Case(
        "LCK003",
        "torch of PyPI without a local part",
        lambda kit: kit.check_lock("LCK003", kit.environment(channel="pypi")),
    ),
    Case(
        "LCK003",
        "torch for arm64 with and without a local part",
        lambda kit: kit.check_lock(
            "LCK003",
            env := kit.environment(platform="linux/arm64"),
            locks=kit.lock(env, kit.artifact("torch", "2.5.1+cu121")),
        ),
    ),
    Case("LCK004", "one artifact each", lambda kit: kit.check_lock("LCK004")),
    Case("LCK005", "the recorded hashes", lambda kit: kit.check_lock("LCK005", locks=pytorch_lock(kit))),
    Case(
        "LCK005", "PyPI's own hashes", lambda kit: kit.check_lock("LCK005", kit.environment(channel="pypi"))
    ),
    Case(
        "LCK005",
        "the hashes of the lab's index",
        lambda kit: kit.check_lock(
            "LCK005",
            published={
                "cu121": {
                    "torch": {"torch-2.5.1+cu121-py3-none-any.whl": "ab" * 32},
                    "torchvision": {"torchvision-0.20.1+cu121-py3-none-any.whl": "ab" * 32},
                }
            },
        ),
    ),
    Case(
        "LCK008", "no cool-down", lambda kit: kit.check_lock("LCK008", policy=Policy())
    ),
    Case("LCK007", "nothing left over", lambda kit: run_check(kit.environment(), "LCK007")),
    Case(
        "LCK006",
        "a URL only in the requirements of a source",
        lambda kit: kit.check_lock(
            "LCK006",
            lock_files={"00-torch.requirements.txt": "torch==2.5.1\n", "upstream-x.requirements.txt": "a @ https://example.org/a.whl\n"},
        ),
    ),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "LCK001", "without a lock",
        lambda kit: run_check(kit.environment(), "LCK001"),
        LOCK_DIR, "is missing",
    ),
    Case(
        "LCK001", "without a layer",
        lambda kit: kit.check_lock("LCK001", locks=replace(lock := kit.lock(), layers=lock.layers[:2])),
        TRAINING_LAYER, "is missing",
    ),
    Case(
        "LCK001", "with another description",
        lambda kit: kit.check_lock(
            "LCK001",
            kit.environment(layers=(Layer(name="training", packages=(Requirement("tqdm==4.66.6"),)),)),
            locks=kit.lock(),
        ),
        TRAINING_LAYER,
        "no longer matches its description: the description pins tqdm 4.66.6, the lock has 4.66.5",
    ),
    Case(
        "LCK001", "with another environment's layer",
        lambda kit: kit.check_lock("LCK001", locks=replace_layer(kit.lock(), 0, environment="flux-gpu")),
        TORCH_LAYER, "is locked for another environment, flux-gpu",
    ),
    Case(
        "LCK001", "with another uv",
        lambda kit: kit.check_lock("LCK001", locks=replace_layer(kit.lock(), 0, uv="0.13.8")),
        TORCH_LAYER, "was locked by uv 0.13.8, but torchpin pins uv 0.13.9",
    ),
    Case(
        "LCK001", "with a layer too many",
        lambda kit: kit.check_lock("LCK001", kit.environment(layers=()), locks=kit.lock()),
        TRAINING_LAYER, "is of a layer that is not in the description",
    ),
    Case(
        "LCK001", "without what builds a source",
        lambda kit: kit.check_lock(
            "LCK001",
            locks=kit.lock(
                None, kit.artifact("schedulefree", "1.4", filename="schedulefree-1.4.tar.gz", by=("lora",))
            ),
        ),
        f"{LOCK_DIR}/build.requirements.txt",
        "does not match the source-only packages of the lock (schedulefree)",
    ),
    Case(
        "LCK001", "without the requirements of its source",
        lambda kit: kit.check_lock("LCK001", environment_with_source(kit, requirements=("requirements.txt",))),
        UPSTREAM_FILE, "no longer matches its description",
    ),
    Case(
        "LCK001", "with the requirements of its source at another tag",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_source(kit, requirements=("requirements.txt",)),
            locks=replace(kit.lock(), upstreams=(replace(UPSTREAM, tag="v0.9.1"),)),
        ),
        UPSTREAM_FILE, "no longer matches its description",
    ),
    Case(
        "LCK001", "under a former name",
        lambda kit: kit.check_lock("LCK001", lock_files={**LOCK_FILES, "02-training.txt": ""}),
        f"{LOCK_DIR}/02-training.txt", "has a former name; `invoke lock` renames it to 02-training.requirements.txt",
    ),
    Case(
        "LCK001", "without the licenses of its packages",
        lambda kit: kit.check_lock("LCK001", lock_files={"wheels.txt": ""}),
        f"{LOCK_DIR}/licenses.txt", "is missing",
    ),
    Case(
        "LCK001", "without what was read out of its wheels",
        lambda kit: kit.check_lock("LCK001", lock_files={"licenses.txt": ""}),
        f"{LOCK_DIR}/wheels.txt", "is missing",
    ),
    Case(
        "LCK001", "without what was read out of a wheel",
        lambda kit: kit.check_lock("LCK001", locks=replace(kit.lock(), wheels=kit.lock().wheels[1:])),
        f"{LOCK_DIR}/wheels.txt", "has no line for nvidia_cudnn_cu12-9.1.0.70-py3-none-any.whl",
    ),
    Case(
        "LCK001", "with what was read out of another wheel",
        lambda kit: kit.check_lock(
            "LCK001",
            locks=replace(
                kit.lock(),
                wheels=(*kit.lock().wheels, WheelContents(name="six", version="1", sha256="0f" * 32)),
            ),
        ),
        f"{LOCK_DIR}/wheels.txt", "has a line for six 1, which is not locked",
    ),
    Case(
        "LCK002", "an edited file",
        lambda kit: run_check(
            kit.environment(), "LCK002", broken=(f"{TORCH_LAYER}:10:1: was edited: its digest does not match its lines",)
        ),
        f"{TORCH_LAYER}:10:1", "was edited: its digest does not match its lines",
    ),
    Case(
        "LCK003", "torch from elsewhere",
        lambda kit: kit.check_lock("LCK003", locks=replace_layer(kit.lock(), 0, origin="pypi")),
        TORCH_LAYER, "the index of 00-torch is pypi, expected cu121",
    ),
    Case(
        "LCK003", "a layer from the channel",
        lambda kit: kit.check_lock("LCK003", locks=replace_layer(kit.lock(), 2, origin="cu121")),
        TRAINING_LAYER, "the index of 02-training is cu121, expected pypi",
    ),
    Case(
        "LCK003", "torch in another layer",
        lambda kit: kit.check_lock(
            "LCK003",
            locks=replace_layer(lock := kit.lock(), 2, packages=(*lock.layers[2].packages, lock.packages["torch"])),
        ),
        TRAINING_LAYER, "torch does not belong in 02-training",
    ),
    Case(
        "LCK003", "another package in torch's layer",
        lambda kit: kit.check_lock(
            "LCK003",
            locks=replace_layer(lock := kit.lock(), 0, packages=(*lock.layers[0].packages, kit.artifact("triton"))),
        ),
        TORCH_LAYER, "triton does not belong in 00-torch",
    ),
    Case(
        "LCK003", "another build of torch",
        lambda kit: kit.check_lock("LCK003", locks=kit.lock(None, kit.artifact("torch", "2.5.1+cu124"))),
        TORCH_LAYER, "torch 2.5.1+cu124 is not the cu121 build of 2.5.1",
    ),
    Case(
        "LCK003", "another release for arm64",
        lambda kit: kit.check_lock(
            "LCK003",
            env := kit.environment(platform="linux/arm64"),
            locks=kit.lock(env, kit.artifact("torch", "2.5.0")),
        ),
        TORCH_LAYER, "torch 2.5.0 is not the cu121 build of 2.5.1",
    ),
    Case(
        "LCK003", "no companion",
        lambda kit: kit.check_lock(
            "LCK003", locks=replace_layer(lock := kit.lock(), 0, packages=(lock.packages["torch"],))
        ),
        TORCH_LAYER, "torchvision is not locked",
    ),
    Case(
        "LCK004", "a package twice",
        lambda kit: kit.check_lock(
            "LCK004", locks=replace_layer(lock := kit.lock(), 1, packages=(lock.packages["tqdm"],))
        ),
        TRAINING_LAYER, "tqdm is also locked in 01-torch-deps.requirements.txt",
    ),
    Case(
        "LCK004", "a wheel for another Python",
        lambda kit: kit.check_lock(
            "LCK004",
            locks=kit.lock(
                None, kit.artifact("tqdm", "4.66.5", filename="tqdm-4.66.5-cp311-cp311-linux_x86_64.whl", by=("lora",))
            ),
        ),
        TRAINING_LAYER, "tqdm-4.66.5-cp311-cp311-linux_x86_64.whl does not support Python 3.10.14 on linux/amd64",
    ),
    Case(
        "LCK005", "another hash than the recorded",
        lambda kit: kit.check_lock("LCK005", locks=pytorch_lock(kit, "0" * 64)),
        TORCH_LAYER, f"the hash of torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl does not match; locked: {'0' * 64}, recorded: {RECORDED_TORCH_HASH}",
    ),
    Case(
        "LCK006", "an address",
        lambda kit: run_check(
            kit.environment(), "LCK006",
            lock_files={"00-torch.requirements.txt": "# a\ntorch @ https://mirror.example/torch.whl\n"},
        ),
        f"{TORCH_LAYER}:2", "the lock has a URL or an index option",
    ),
    Case(
        "LCK006", "an index",
        lambda kit: run_check(kit.environment(), "LCK006", lock_files={"00-torch.requirements.txt": "--index-url mirror\n"}),
        f"{TORCH_LAYER}:1", "the lock has a URL or an index option",
    ),
    Case(
        "LCK006", "a folder of wheels",
        lambda kit: run_check(kit.environment(), "LCK006", lock_files={"00-torch.requirements.txt": "--find-links /srv\n"}),
        f"{TORCH_LAYER}:1", "the lock has a URL or an index option",
    ),
    Case(
        "LCK007", "a lock of a service that is gone",
        lambda kit: run_check(kit.environment(), "LCK007", orphans=("lockfiles/old-gpu",)),
        "lockfiles/old-gpu", "lockfiles/old-gpu belongs to no described environment",
    ),
    Case(
        "LCK008", "a lock of before the cool-down",
        lambda kit: kit.check_lock("LCK008", policy=Policy(cooldown=7)),
        f"{LOCK_DIR}/01-torch-deps.requirements.txt", "was locked without the cool-down of 7 days",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


def test_an_artifact_with_the_file_of_another_package_fails(kit: Builders) -> None:
    lock = kit.lock(None, kit.artifact("tqdm", "4.66.5", filename="evil-1.0-py3-none-any.whl", by=("lora",)))
    assert kit.check_lock("LCK004", locks=lock).status == "failed"


def test_the_hashes_of_the_lab_s_index_are_its_evidence(kit: Builders) -> None:
    name = "torch-2.5.1+cu121-py3-none-any.whl"
    check_result = kit.check_lock("LCK005", published={"cu121": {"torch": {name: "cd" * 32}}})
    assert [finding.evidence for finding in check_result.findings] == ["the lab's index"]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"channel": "cu132"}, "the index of cu132 is not recorded"),
        (
            {},
            "; ".join(
                f"the hash of {name}+cu121-py3-none-any.whl is not recorded"
                for name in ("torch-2.5.1", "torchvision-0.20.1")
            ),
        ),
    ],
)
def test_a_hash_that_is_not_recorded_is_unknown_and_never_ok(
    changes: dict[str, Any], note: str, kit: Builders
) -> None:
    env = kit.environment(**changes)
    check_result = run_check(env, "LCK005", locks=kit.lock(env))
    assert (check_result.status, "; ".join(check_result.unknown), check_result.findings) == (
        "unknown",
        note,
        (),
    )


def test_an_index_that_the_lab_did_not_publish_is_unknown(kit: Builders) -> None:
    check_result = kit.check_lock("LCK005", published={"cpu": {}})
    assert (check_result.status, check_result.unknown) == ("unknown", ("the index of cu121 is not recorded",))


def test_the_plan_s_layers_are_those_that_are_locked(kit: Builders) -> None:
    """The cases above rely on it."""
    env = kit.environment()
    assert tuple(layer.name for layer in kit.lock(env).layers) == layer_names(env)
