"""The plan of an image: probe expectations, install steps, build context and key."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.abi_wheels import ATTENTION, LAYER_ONE, RELEASE, make_environment, make_lock, resolution
from support.descriptions import PLAIN, read_service
from support.layers import make_layer
from torchpin.description.environments import select_environments
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list
from torchpin.image.steps import layer_steps
from torchpin.model import Base, Run, Source

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock


CUDA_BUILD = {"archs": "sm_50 sm_90", "cudnn": 90100, "cxx11_abi": False}


@pytest.mark.parametrize(
    ("channel", "platform", "torch"),
    [
        ("cu121", "linux/amd64", {"version": "2.5.1+cu121", "cuda": "12.1", **CUDA_BUILD}),
        ("cpu", "linux/amd64", {"version": "2.5.1+cpu", "cuda": None, "archs": None, "cxx11_abi": False}),
        ("pypi", "linux/amd64", {"version": "2.5.1+cu124", "cuda": "12.4", **CUDA_BUILD}),
        ("pypi", "linux/arm64", {"version": "2.5.1", "cuda": None, "archs": None}),
    ],
)
def test_the_probe_expects_the_channel_s_torch(
    environment: Environments, lock: Locks, channel: str, platform: str, torch: dict[str, str | None]
) -> None:
    env = environment(channel=channel, platform=platform)
    assert expected_torch(env, lock(env)) == torch


def test_the_probe_expects_the_locked_cudnn_and_without_one_that_of_the_facts(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    locked = lock(env, artifact("nvidia-cudnn-cu12", "9.2.1.18", by=("torch",)))
    assert expected_torch(env, locked)["cudnn"] == 90201
    small = lock(env)
    layers = tuple(replace(layer, packages=layer.packages[:1]) for layer in small.layers[:1])
    assert expected_torch(env, replace(small, layers=layers, wheels=()))["cudnn"] == 90100


@pytest.mark.parametrize(
    ("base", "cxx11_abi"),
    [
        ("pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel", True),
        ("nvcr.io/nvidia/pytorch:25.04-py3", None),
        ("example.org/own:1", None),
    ],
)
def test_of_a_torch_in_a_base_image_the_probe_expects_what_facts_tell(
    lock: Locks, base: str, cxx11_abi: bool | None
) -> None:
    """Not the cuDNN, which is that of the image; nor the ABI where its vendor builds torch, or nobody knows who does."""
    env = from_base(base)
    torch = expected_torch(env, lock(env))
    assert ("cudnn" in torch, torch.get("cxx11_abi")) == (False, cxx11_abi)


def expected_torch(env: Environment, locked: Lock) -> dict[str, Any]:
    """With the first and the last architecture."""
    torch: Any = plan.probe_expectations(env, locked)["torch"]
    archs = f"{torch['archs'][0]} {torch['archs'][-1]}" if torch["archs"] else None
    return {**torch, "archs": archs}


def from_base(image: str) -> Environment:
    (env,) = select_environments([read_service(PLAIN)])
    torch = replace(env.service.torch, version=Version("2.7.1"), origin="base")
    service = replace(env.service, base=Base(image=image), torch=torch)
    return replace(env, service=service, variant=replace(env.variant, channel="cu126"))


def test_the_probe_expects_what_the_lock_and_the_description_say(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    source = Source(name="b", url="u", tag="v1", commit="0f" * 20, path="third_party/b")
    layers = (make_layer("training", "tqdm==4.66.5"), make_layer("more", "einops==1.0", optional=True))
    env = environment(sources=(source,), imports=("torch",), layers=layers)
    expectations = plan.probe_expectations(env, lock(env, artifact("einops", by=("lora",))))
    assert {name: expectations[name] for name in expectations if name != "torch"} == {
        "environment": "lora-gpu",
        "python": "3.10.14",
        "distributions": {
            "nvidia-cudnn-cu12": "9.1.0.70",
            "torch": "2.5.1+cu121",
            "torchvision": "0.20.1+cu121",
            "tqdm": "4.66.5",
        },
        "optional": {"einops": "1.0"},
        "inherited": {},
        "imports": ["torch"],
        "requested": ["torch", "torchvision", "tqdm"],
        "compiles": False,
        "sources": {"/opt/lora/third_party/b": "0f" * 20},
    }
    at_home: Any = plan.probe_expectations(env, lock(env), home="/here")["sources"]
    assert at_home == {"/here/third_party/b": "0f" * 20}


def test_where_libraries_are_left_out_no_package_has_to_find_its_own(
    environment: Environments, lock: Locks
) -> None:
    env = environment()
    with_all = plan.probe_expectations(env, lock(env))
    without = plan.probe_expectations(env, lock(env), has_libraries=False)
    assert with_all["requested"] == ["torch", "torchvision", "tqdm"]
    assert without == {**with_all, "requested": []}


def test_steps_are_the_layers_that_hold_something(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    layers = (
        make_layer("empty"),
        make_layer("training", "tqdm==4.66.5"),
        make_layer("old", "dadaptation==3.2", optional=True),
    )
    env = environment(layers=layers)
    locked = lock(env, artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", by=("lora",)))
    pypi: dict[str, Any] = {"origin": "pypi", "index": None, "mirror": "TORCHPIN_MIRROR_PYPI"}
    cu121: dict[str, Any] = {
        "origin": "cu121",
        "index": "https://download.pytorch.org/whl/cu121",
        "mirror": "TORCHPIN_MIRROR_CU121",
    }
    plain: dict[str, Any] = {"optional": False, "builds": False}
    steps = {
        "00-torch": plan.InstallStep(file="00-torch.requirements.txt", **cu121, **plain, place="torch"),
        "00-torch.companions": plan.InstallStep(
            file="00-torch.companions.requirements.txt", **cu121, **plain, place="family"
        ),
        "01-torch-deps": plan.InstallStep(file="01-torch-deps.requirements.txt", **pypi, **plain),
        "03-training": plan.InstallStep(file="03-training.requirements.txt", **pypi, **plain),
        "04-old": plan.InstallStep(file="04-old.requirements.txt", **pypi, optional=True, builds=True),
    }
    names = {
        "00-torch": ("torch",), "00-torch.companions": ("torchvision",), "01-torch-deps": ("nvidia-cudnn-cu12",),
        "03-training": ("tqdm",), "04-old": ("dadaptation",),
    }  # fmt: skip
    assert plan.install_steps(env, locked) == tuple(
        replace(step, artifacts=tuple(locked.packages[package] for package in names[name]))
        for name, step in steps.items()
    )
    assert [step.file for step in layer_steps(env, locked)] == [
        f"{name}.requirements.txt" for name in ("00-torch", "01-torch-deps", "03-training", "04-old")
    ]


def test_an_image_carries_its_own_variables_and_the_service_s(environment: Environments, lock: Locks) -> None:
    sources = tuple(
        Source(name=name, url="u", tag="v1", commit="0f" * 20, path=f"third_party/{name}") for name in "ab"
    )
    run = Run(env=MappingProxyType({"TZ": "UTC"}), freeze="/workspace/freeze.txt")
    env = environment(sources=sources, run=run, layers=(make_layer("one", "Pillow==1", "tqdm==4.66.5"),))
    assert plan.image_plan(env, lock(env)).env == {
        "TZ": "UTC",
        "TORCHPIN_FREEZE": "/workspace/freeze.txt",
        "TORCHPIN_REPORT": "pillow tqdm",
        "TORCHPIN_SOURCES": "/opt/lora/third_party/a:/opt/lora/third_party/b",
    }
    empty_env = environment(layers=())
    assert plan.image_plan(empty_env, lock(empty_env)).env == {}


def test_a_context_holds_what_the_build_reads(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    source = Source(name="b", url="u", tag="v1", commit="0f" * 20, path="third_party/b")
    env = environment(sources=(source,), layers=(make_layer("training", "tqdm==4.66.5"), make_layer("empty")))
    locked = lock(env, build=(artifact("setuptools", "81.0.0", by=("x",)),))
    built_context = plan.build_context(env, locked, runtime={"probe.py": "probe"}, smoke="smoke")
    assert sorted(built_context.files) == [
        "expect.json",
        "kept.json",
        "layers/00-torch.companions.requirements.txt",
        "layers/00-torch.requirements.txt",
        "layers/01-torch-deps.requirements.txt",
        "layers/02-training.requirements.txt",
        "layers/build.requirements.txt",
        "runtime/probe.py",
        "smoke.py",
    ]
    assert built_context.files["layers/build.requirements.txt"].startswith(
        "setuptools==81.0.0 --hash=sha256:"
    )
    assert json.loads(built_context.files["expect.json"]) == {
        **plan.probe_expectations(env, locked),
        **plan.access_expectations(env),
    }
    assert built_context.sources == {"sources/b": source}
    assert built_context.uv == "0.13.9"


def test_the_key_changes_with_every_input(environment: Environments, lock: Locks) -> None:
    source = Source(name="b", url="u", tag="v1", commit="0f" * 20, path="third_party/b")
    env = environment(sources=(source,))
    context = plan.build_context(env, lock(env), runtime={"probe.py": "probe"}, smoke="smoke")

    def key(changed: plan.BuildContext = context, dockerfile: str = "FROM a", **changes: Any) -> str:
        return plan.image_key(replace(env, **changes), dockerfile, render_context_list(changed))

    changed_source = replace(source, commit="ab" * 20)
    keys = [
        key(),
        key(dockerfile="FROM b"),
        key(replace(context, uv="0.13.10")),
        key(replace(context, sources={"sources/b": changed_source})),
        key(replace(context, sources={"sources/b": replace(source, url="v")})),
        key(replace(context, files={**context.files, "new": ""})),
        *(key(replace(context, files={**context.files, name: "other"})) for name in context.files),
        key(variant=replace(env.variant, name="other")),
        key(variant=replace(env.variant, platform="linux/arm64")),
    ]
    assert len({*keys}) == len(keys)
    assert all(len(image_key) == 64 for image_key in keys)
    assert key(replace(context, files=dict(reversed([*context.files.items()])))) == keys[0]


def test_the_step_of_a_wheel_with_an_abi_knows_its_release_and_no_index(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    lock = make_lock(env, resolution(artifact))
    assert plan.install_steps(env, lock) == (
        plan.InstallStep(
            file="01-attention.requirements.txt", origin="flash-attn", index=None, mirror="TORCHPIN_MIRROR_FLASH_ATTN",
            optional=False, builds=False, release=RELEASE, place="large", artifacts=(lock.packages["flash-attn"],),
        ),
        plan.InstallStep(
            file="02-one.requirements.txt", origin="pypi", index=None, mirror="TORCHPIN_MIRROR_PYPI", optional=False, builds=False,
            artifacts=lock.layers[1].packages,
        ),
    )  # fmt: skip


def test_the_context_holds_nothing_that_the_base_gives(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    lock = make_lock(env, resolution(artifact))
    context = plan.build_context(env, lock, runtime={}, smoke="")
    assert sorted(context.files) == [
        "expect.json",
        "kept.json",
        "layers/01-attention.requirements.txt",
        "layers/02-one.requirements.txt",
        "smoke.py",
    ]
    assert not [
        name for name, text in context.files.items() if name.startswith("layers/") and "torch==" in text
    ]


def test_what_is_inherited_is_expected_and_is_no_distribution_of_the_venv(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    expectations: Any = plan.probe_expectations(env, make_lock(env, resolution(artifact)))
    assert expectations["inherited"] == {
        "torch": "2.7.1+cu126", "torchaudio": "2.7.1+cu126", "torchvision": "0.22.1+cu126",
    }  # fmt: skip
    assert expectations["distributions"] == {
        "a": "1", "einops": "0.8.1", "filelock": "4.2.11", "flash-attn": "2.8.3",
    }  # fmt: skip
    assert expectations["torch"]["version"] == "2.7.1+cu126"
    assert expectations["torch"]["cuda"] == "12.6"
    assert expectations["python"] == "3.11"


def test_an_index_s_torch_is_inherited_from_nowhere(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, origin="index")
    expectations: Any = plan.probe_expectations(env, make_lock(env, resolution(artifact)))
    assert expectations["inherited"] == {}
    assert expectations["distributions"]["torch"] == "2.7.1+cu126"


def test_the_user_of_the_container_writes_to_volumes_home_record_and_caches(
    environment: Environments,
) -> None:
    run = Run(
        user="worker",
        volumes=("/data", "/models"),
        freeze="/data/logs/pip_freeze.txt",
        env=MappingProxyType(
            {"HF_HOME": "/models/hf", "CUDA_HOME": "/usr/local/cuda", "TRITON_CACHE_DIR": "/c"}
        ),
    )
    assert plan.access_expectations(environment(run=run)) == {
        "user": "worker",
        "readable": ["/opt/lora", "/opt/torchpin", "/opt/venv"],
        "writable": ["~", "/tmp", "/data", "/models", "/data/logs", "/models/hf", "/c"],
    }


def test_without_a_user_the_container_runs_as_root(environment: Environments) -> None:
    assert plan.access_expectations(environment()) == {
        "user": "root",
        "readable": ["/opt/lora", "/opt/torchpin", "/opt/venv"],
        "writable": ["~", "/tmp"],
    }
