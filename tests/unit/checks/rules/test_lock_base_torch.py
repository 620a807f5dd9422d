"""LCK with torch from the base image, and wheels with an ABI in their name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.abi_wheels import DIGEST as WHEEL_DIGEST
from support.abi_wheels import WHEEL
from support.check_cases import Case, parametrize_cases
from support.checks import LOCK_DIR, UV, Builders, replace_layer
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Environment, Layer, Lock, Torch, WheelContents

TORCH_FILE = "torch-2.7.1+cu126-cp311-cp311-manylinux_2_28_x86_64.whl"
TORCH_DIGEST = "e1a8465165708c2e2e90786ade8a3e1b1d01eca1f022792cd397caad9d8c21bc"
BASE_LAYER, ATTENTION_LAYER, PLAIN_LAYER = (
    f"{LOCK_DIR}/{name}.requirements.txt" for name in ("00-given", "01-attention", "02-training")
)


def environment_with_base_torch(kit: Builders, **changes: Any) -> Environment:
    """An environment whose torch is provided by the base image, with flash-attn first."""
    layers = tuple(
        Layer(name=name, packages=(Requirement(pin),))
        for name, pin in (("attention", "flash-attn==2.8.3"), ("training", "tqdm==4.66.5"))
    )
    values = {"channel": "cu126", "python": Version("3.11"), "layers": layers, **changes}
    family = Torch(version=Version("2.7.1"), companions={}, origin="base")
    return kit.environment(**{"torch": family, **values})


def lock_with_base_torch(kit: Builders, *packages: Artifact, env: Environment | None = None) -> Lock:
    """Its current lock, with these packages added or replaced."""
    env = env or environment_with_base_torch(kit)
    defaults = (
        kit.artifact("torch", "2.7.1+cu126", filename=TORCH_FILE, sha256=TORCH_DIGEST, by=("lora",)),
        kit.artifact("flash-attn", "2.8.3", filename=WHEEL, sha256=WHEEL_DIGEST, size=None, by=("lora",)),
        kit.artifact("einops", "0.8.1", by=("flash-attn",)),
        kit.artifact("nvidia-cudnn-cu12", "9.5.1.17", by=("torch",)),
        kit.artifact("tqdm", "4.66.5", by=("lora",)),
    )
    by_name = {package.name: package for package in (*defaults, *packages)}
    layers, provided = split_layers(env, list(by_name.values()), uv=UV)
    lock = Lock(layers=layers, provided=provided)
    wheels = [
        WheelContents(name=package.name, version=package.version, sha256=package.sha256)
        for package in lock.all_packages.values()
    ]
    return replace(lock, wheels=tuple(wheels))


def replace_base_layer(lock: Lock, **changes: Any) -> Lock:
    assert lock.provided
    return replace(lock, provided=replace(lock.provided, **changes))


@pytest.mark.parametrize("check", ["LCK001", "LCK003", "LCK004", "LCK005"])
def test_a_lock_with_a_provided_torch_and_an_abi_wheel_passes(check: str, kit: Builders) -> None:
    check_result = kit.check_lock(check, environment_with_base_torch(kit), locks=lock_with_base_torch(kit))
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), "")


@pytest.mark.parametrize("check", ["LCK001", "LCK003", "LCK004"])
def test_an_abi_wheel_beside_an_installed_torch_passes(check: str, kit: Builders) -> None:
    family = Torch(version=Version("2.7.1"), companions={})
    env = environment_with_base_torch(kit, torch=family)
    check_result = kit.check_lock(check, env, locks=lock_with_base_torch(kit, env=env))
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), "")


BASE_TORCH_FAILS = [
    Case(
        "LCK001", "without the packages of the base",
        lambda kit: kit.check_lock("LCK001", environment_with_base_torch(kit), locks=replace(lock_with_base_torch(kit), provided=None)),
        BASE_LAYER, "does not match the torch that the base image provides",
    ),
    Case(
        "LCK001", "with the packages of another base",
        lambda kit: kit.check_lock("LCK001", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), inputs_digest="sha256:0")),
        BASE_LAYER, "does not match the torch that the base image provides",
    ),
    Case(
        "LCK001", "with a provided torch that the description installs",
        lambda kit: kit.check_lock(
            "LCK001",
            env := environment_with_base_torch(kit, torch=Torch(version=Version("2.7.1"), companions={})),
            locks=replace(lock_with_base_torch(kit, env=env), provided=lock_with_base_torch(kit).provided),
        ),
        BASE_LAYER, "does not match the torch that the base image provides",
    ),
    Case(
        "LCK001", "with a wheel for another torch",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_base_torch(kit),
            locks=replace(
                lock_with_base_torch(kit, env=environment_with_base_torch(kit, torch=Torch(version=Version("2.7.0"), companions={}, origin="base"))),
                provided=lock_with_base_torch(kit).provided,
            ),
        ),
        ATTENTION_LAYER, "no longer matches its description",
    ),
    Case(
        "LCK003", "torch in a layer over the base's",
        lambda kit: kit.check_lock(
            "LCK003",
            environment_with_base_torch(kit),
            locks=replace_layer(
                lock := lock_with_base_torch(kit), 1,
                packages=(*lock.layers[1].packages, kit.artifact("torch", "2.7.1", filename="torch-2.7.1-py3-none-any.whl")),
            ),
        ),
        PLAIN_LAYER, "torch does not belong in 02-training",
    ),
    Case(
        "LCK003", "a base's torch from elsewhere",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), origin="pypi")),
        BASE_LAYER, "the index of 00-given is pypi, expected cu126",
    ),
    Case(
        "LCK003", "another build in the base",
        lambda kit: kit.check_lock(
            "LCK003", environment_with_base_torch(kit),
            locks=replace_base_layer(lock_with_base_torch(kit), packages=(kit.artifact("torch", "2.7.1+cu128", filename=TORCH_FILE),)),
        ),
        BASE_LAYER, "torch 2.7.1+cu128 is not the cu126 build of 2.7.1",
    ),
    Case(
        "LCK003", "another package among those of the base",
        lambda kit: kit.check_lock(
            "LCK003", environment_with_base_torch(kit),
            locks=replace_base_layer(
                lock := lock_with_base_torch(kit),
                packages=(*(lock.provided.packages if lock.provided else ()), kit.artifact("triton")),
            ),
        ),
        BASE_LAYER, "triton does not belong in 00-given",
    ),
    Case(
        "LCK003", "no package of the base",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), packages=())),
        BASE_LAYER, "torch is not locked",
    ),
    Case(
        "LCK003", "a plain layer from the index of an ABI wheel",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_layer(lock_with_base_torch(kit), 1, origin="flash-attn")),
        PLAIN_LAYER, "the index of 02-training is flash-attn, expected pypi",
    ),
    Case(
        "LCK003", "an ABI wheel from PyPI",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_layer(lock_with_base_torch(kit), 0, origin="pypi")),
        ATTENTION_LAYER, "the index of 01-attention is pypi, expected flash-attn",
    ),
    Case(
        "LCK004", "a wheel for another Python",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(
                kit,
                kit.artifact(
                    "flash-attn", "2.8.3", filename=WHEEL.replace("cp311", "cp312"), sha256=WHEEL_DIGEST, by=("lora",)
                ),
            ),
        ),
        ATTENTION_LAYER, f"{WHEEL.replace('cp311', 'cp312')} does not support Python 3.11 on linux/amd64",
    ),
    Case(
        "LCK004", "a wheel of another version",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(
                kit,
                kit.artifact("flash-attn", "2.8.3", filename=WHEEL.replace("2.8.3", "2.8.2"), by=("lora",)),
            ),
        ),
        ATTENTION_LAYER, f"{WHEEL.replace('2.8.3', '2.8.2')} is not a file of flash-attn 2.8.3",
    ),
    Case(
        "LCK004", "a local part that no ABI wheel explains",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("tqdm", "4.66.5", filename="tqdm-4.66.5+cu126-py3-none-any.whl", by=("lora",))),
        ),
        PLAIN_LAYER, "tqdm-4.66.5+cu126-py3-none-any.whl is not a file of tqdm 4.66.5",
    ),
    Case(
        "LCK005", "another hash of what the base provides",
        lambda kit: kit.check_lock(
            "LCK005", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("torch", "2.7.1+cu126", filename=TORCH_FILE, sha256="cd" * 32, by=("lora",))),
        ),
        BASE_LAYER, f"the hash of {TORCH_FILE} does not match; locked: {'cd' * 32}, recorded: {TORCH_DIGEST}",
    ),
    Case(
        "LCK005", "another hash of an ABI wheel",
        lambda kit: kit.check_lock(
            "LCK005", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("flash-attn", "2.8.3", filename=WHEEL, sha256="cd" * 32, by=("lora",))),
        ),
        ATTENTION_LAYER, f"the hash of {WHEEL} does not match; locked: {'cd' * 32}, recorded: {WHEEL_DIGEST}",
    ),
]  # fmt: skip


@parametrize_cases(BASE_TORCH_FAILS)
def test_a_check_finds_what_is_wrong_with_these_shapes(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert check_result.status == "failed", check_result
    assert (case.location, case.message) in [
        (finding.location, finding.message) for finding in check_result.findings
    ]
