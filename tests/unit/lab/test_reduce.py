"""What the lab keeps of a service: its torch pins and sources, small packages, recommendations and reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.compat.recommendations import compute_deviations, stale_reasons
from torchpin.description import read, write
from torchpin.description.environments import select_environments
from torchpin.lab import reduce, scope
from torchpin.lock import file_format
from torchpin.lock.layers import split_layers
from torchpin.model import (
    Base,
    Environment,
    Layer,
    Lock,
    Reason,
    Recommendation,
    Run,
    Service,
    Source,
    Torch,
    Upstream,
    Variant,
    Waiver,
)

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

ROOT = Path(__file__).parents[3]
LORA = "services/lora/service.yaml"
COMMIT = "1" * 40
SOURCE = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.10.0",
    commit="9" * 40,
    path="third_party/sd-scripts",
    requirements=("requirements.txt",),
)
LARGE = scope.MAX_PACKAGE_BYTES + 1


def make_recommendation(component: str, text: str) -> Recommendation:
    return Recommendation(component=component, says=text)


def make_reason(component: str) -> Reason:
    return Reason(component=component, because="held", evidence="a run")


def layer(*pins: str, name: str = "training") -> Layer:
    return Layer(name=name, packages=tuple(map(Requirement, pins)))


def reduce_service(env: Environment, lock: Lock, **changes: Any) -> Service:
    values: dict[str, Any] = {"base": "torchpin-lab/1-2/base:1", "python": "3.11.7"}
    commits = {source.name: COMMIT for source in env.service.sources}
    return reduce.reduce_service(env.service, env, lock, commits=commits, **{**values, **changes})


def environment_with_pins(*pins: str, env: Environments, **changes: Any) -> Environment:
    return env(layers=(layer(*pins),), **changes)


@pytest.mark.parametrize(
    ("changes", "is_small"),
    [
        ({}, True),
        ({"filename": "a-1.0-cp38-abi3-manylinux_2_17_x86_64.whl"}, True),
        ({"filename": "a-1.0.tar.gz"}, True),
        ({"size": None}, True),
        ({"size": scope.MAX_PACKAGE_BYTES}, True),
        ({"size": LARGE}, False),
        ({"filename": "a-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"}, False),
        ({"filename": "a-1.0-py3-none-manylinux1_x86_64.whl"}, False),
    ],
)
def test_small_is_what_fits_any_python_and_is_no_larger_than_the_limit(
    changes: dict[str, Any], is_small: bool, lock: Locks, artifact: Artifacts
) -> None:  # fmt: skip
    assert ("a" in scope.fitting_packages(lock(None, artifact("a", by=("tqdm",), **changes)))) == is_small


def test_torch_its_companions_and_what_only_they_want_are_never_small(lock: Locks) -> None:
    assert scope.fitting_packages(lock()) == {"tqdm"}


def test_a_package_is_small_only_with_all_that_it_wants(lock: Locks, artifact: Artifacts) -> None:
    small_packages = scope.fitting_packages(
        lock(
            None,
            artifact("top", by=("tqdm",)),
            artifact("middle", by=("top",)),
            artifact("heavy", by=("middle",), size=LARGE),
            artifact("light", by=("tqdm", "heavy")),
        )
    )
    assert small_packages == {"light"}


def test_wanting_torch_makes_nothing_large(lock: Locks, artifact: Artifacts) -> None:
    packages = artifact("torch", "2.5.1+cu121", by=("tqdm",), size=LARGE), artifact("light", by=("tqdm",))
    assert scope.fitting_packages(lock(None, *packages)) == {"light", "tqdm"}


def test_packages_that_want_each_other_are_small_together_or_not_at_all(
    lock: Locks, artifact: Artifacts
) -> None:
    circle = artifact("left", by=("tqdm", "right")), artifact("right", by=("left",))
    assert scope.fitting_packages(lock(None, *circle)) == {"tqdm", "left", "right"}
    assert (
        scope.fitting_packages(lock(None, *circle, artifact("heavy", by=("right",), size=LARGE)))
        == frozenset()
    )


def test_wanting_torch_is_direct_or_through_others(lock: Locks, artifact: Artifacts) -> None:
    locked = lock(
        None,
        artifact("torch", "2.5.1+cu121", by=("lora", "accelerate")),
        artifact("accelerate", by=("lora", "peft")),
        artifact("peft", by=("lora",)),
    )
    assert [name for name in ("accelerate", "peft", "tqdm") if scope.requires_torch(locked, name)] == [
        "accelerate",
        "peft",
    ]


def test_a_circle_that_does_not_want_torch_ends(lock: Locks, artifact: Artifacts) -> None:
    circle = lock(None, artifact("left", by=("tqdm", "right")), artifact("right", by=("left",)))
    assert not scope.requires_torch(circle, "left")


def test_the_lab_keeps_torch_sources_and_the_small_packages(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(
        layers=(layer("tqdm==4.66.5", "Big.Package==1.0"), layer("toml==0.10.2", name="utilities")),
        sources=(SOURCE,),
        apt=("git",),
        budget_bytes=5,
        run=Run(compiles=True),
        base=Base(image="nvidia/cuda:12.1.1", digest="sha256:" + "0f" * 32, rationale="stable"),
    )
    locked = lock(
        env,
        artifact("big-package", by=("lora",), size=LARGE),
        artifact("toml", "0.10.2", by=("lora",)),
    )
    lab_service = reduce_service(env, locked)
    assert lab_service.torch == env.service.torch
    assert [[str(requirement) for requirement in lab_layer.packages] for lab_layer in lab_service.layers] == [
        ["tqdm==4.66.5"],
        ["toml==0.10.2"],
    ]
    stub_url = "https://stub.invalid/sd-scripts"  # the facts about the real source are not true of it
    assert lab_service.sources == (replace(SOURCE, commit=COMMIT, url=stub_url),)
    assert lab_service.python == Version("3.11.7")
    assert lab_service.base == Base(image="torchpin-lab/1-2/base:1", digest=None, rationale="stable")
    assert (lab_service.apt, lab_service.budget_bytes, lab_service.run.compiles) == ((), None, None)


def test_a_layer_of_which_nothing_is_small_stays_and_is_empty(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment_with_pins("big==1.0", env=environment)
    lab_service = reduce_service(env, lock(env, artifact("big", by=("lora",), size=LARGE)))
    assert [(lab_layer.name, lab_layer.packages) for lab_layer in lab_service.layers] == [("training", ())]


def test_without_an_image_the_base_s_name_stays_and_its_digest_goes(
    environment: Environments, lock: Locks
) -> None:
    env = environment(base=Base(image="debian:12", digest="sha256:" + "0f" * 32))
    assert reduce_service(env, lock(env), base="").base == Base(image="debian:12")


def test_only_what_can_be_imported_beside_a_stand_in_is_imported(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment_with_pins(
        "tqdm==4.66.5", "accelerate==1.0", "big==1.0", "lion-pytorch==1.0", env=environment,
        imports=("torch", "torchvision", "accelerate", "big", "tqdm", "lion_pytorch", "cv2"),
    )  # fmt: skip
    locked = lock(
        env,
        artifact("torch", "2.5.1+cu121", by=("lora", "accelerate")),
        artifact("accelerate", by=("lora",)),
        artifact("big", by=("lora",), size=LARGE),
        artifact("lion-pytorch", by=("lora",)),
    )
    assert reduce_service(env, locked).imports == ("torch", "torchvision", "tqdm", "lion_pytorch")


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "linux/amd64"), ("AMD64", "linux/amd64"), ("aarch64", "linux/arm64"), ("arm64", "linux/arm64")],
)  # fmt: skip
def test_the_variants_are_for_this_machine(
    machine: str, platform: str, environment: Environments, lock: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    env = environment()
    assert reduce_service(env, lock(env)).variants == (
        Variant(name="gpu", channel="cu121", platform=platform),
    )


@pytest.mark.parametrize(
    ("version", "platform", "channel"),
    [("2.5.1", "linux/amd64", "cu124"), ("2.5.1", "linux/arm64", "cpu"), ("2.99.0", "linux/amd64", "cpu")],
)
def test_pypi_becomes_the_channel_whose_build_it_serves(
    version: str, platform: str, channel: str, environment: Environments, lock: Locks
) -> None:
    torch = Torch(version=Version(version), companions=MappingProxyType({}))
    env = environment(channel="pypi", platform=platform, torch=torch)
    (variant,) = reduce_service(env, lock(environment(channel="pypi", platform=platform))).variants
    assert (variant.name, variant.channel) == ("gpu", channel)


def lock_reduced(env: Environment, full_lock: Lock, service: Service) -> tuple[Environment, Lock]:
    """The lock of the reduced service: its packages with their requirements, and the requirements of its sources."""
    small_packages, names = scope.fitting_packages(full_lock), scope.lab_package_names(env.service, full_lock)
    lab_env = Environment(service=service, variant=replace(env.variant))
    required = {"lora", *(package.name for lab_layer in service.layers for package in lab_layer.packages)}
    required |= {
        scope.requirement_name(line) for row in full_lock.upstreams for line in row.requirements
    } & names
    packages = {
        name: package
        for name, package in full_lock.packages.items()
        if name in service.torch.family or name in required
    }
    while True:
        added = {
            name: package
            for name, package in full_lock.packages.items()
            if name in small_packages and name not in packages and {*package.required_by} & {*packages}
        }
        if not added:
            break
        packages |= added
    upstreams = tuple(
        replace(
            upstream,
            requirements=tuple(
                line for line in upstream.requirements if scope.requirement_name(line) in names
            ),
        )
        for upstream in full_lock.upstreams
    )
    return lab_env, Lock(
        layers=split_layers(lab_env, list(packages.values()), uv="0.13.9")[0], upstreams=upstreams
    )


def unexplained_and_stale(env: Environment, lock: Lock) -> tuple[list[str], tuple[str, ...]]:
    deviations = compute_deviations(env, lock)
    return [deviation.component for deviation in deviations if not deviation.reason], stale_reasons(
        env, deviations
    )


def test_words_about_what_the_lab_does_not_have_go_with_it(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    components = ("torch", "Tqdm", "big", "Python", "cuDNN", "CUDA", "sd-scripts", "opencv-python")
    env = environment_with_pins(
        "tqdm==4.66.5", "big==1.0", env=environment, sources=(SOURCE,),
        recommends=tuple(make_recommendation(name, "0.0.1") for name in components),
        reasons=tuple(map(make_reason, components)),
    )  # fmt: skip
    lab_service = reduce_service(env, lock(env, artifact("big", by=("lora",), size=LARGE)))
    assert [recommendation.component for recommendation in lab_service.recommends] == [
        "torch",
        "Tqdm",
        "CUDA",
        "sd-scripts",
    ]
    assert [reason.component for reason in lab_service.reasons] == ["torch", "Tqdm", "CUDA", "sd-scripts"]


def test_waivers_and_gpus_stay(environment: Environments, lock: Locks) -> None:
    from datetime import date

    waiver = Waiver(check="GPU001", about="B200", reason="known", review_by=date(2027, 1, 31))
    env = environment(gpus=("B200",), waivers=(waiver,))
    lab_service = reduce_service(env, lock(env))
    assert (lab_service.gpus, lab_service.waivers) == (("B200",), (waiver,))


def test_every_deviation_of_the_lab_has_its_reason_and_no_reason_is_stale(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    upstream = Upstream(
        source="sd-scripts",
        tag="v0.10.0",
        commit="9" * 40,
        file="requirements.txt",
        requirements=("big==2.0", "opencv-python==4.10", "tqdm==4.66.4", "torch>=2.6"),
    )
    env = environment_with_pins(
        "tqdm==4.66.5", "big==1.0", env=environment, sources=(SOURCE,),
        recommends=(make_recommendation("CUDA", "11.8 / 12.x"), make_recommendation("python", "3.9"), make_recommendation("cudnn", "8.9.x"), make_recommendation("sd-scripts", "v0.9.2")),
        reasons=tuple(map(make_reason, ("tqdm", "big", "torch", "opencv-python", "CUDA", "python", "cudnn", "sd-scripts"))),
    )  # fmt: skip
    locked = replace(lock(env, artifact("big", by=("lora",), size=LARGE)), upstreams=(upstream,))
    assert unexplained_and_stale(env, locked) == ([], ())
    assert unexplained_and_stale(*lock_reduced(env, locked, reduce_service(env, locked))) == ([], ())


@pytest.mark.parametrize("parent", ["tqdm", "big"])
def test_a_source_s_wish_for_what_another_package_brings_keeps_its_reason(
    parent: str, environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    """`helper` is in no layer; a package of a layer requires it."""
    upstream = Upstream(
        source="sd-scripts",
        tag="v0.10.0",
        commit="9" * 40,
        file="requirements.txt",
        requirements=("helper==0.9",),
    )
    env = environment_with_pins(
        "tqdm==4.66.5", "big==1.0", env=environment, sources=(SOURCE,), reasons=(make_reason("helper"),)
    )
    locked = replace(
        lock(env, artifact("big", by=("lora",), size=LARGE), artifact("helper", by=(parent,))),
        upstreams=(upstream,),
    )
    assert unexplained_and_stale(env, locked) == ([], ())
    assert unexplained_and_stale(*lock_reduced(env, locked, reduce_service(env, locked))) == ([], ())


@pytest.fixture(scope="module")
def lora() -> tuple[Environment, Lock]:
    (service,) = read.read_services({LORA: (ROOT / LORA).read_text(encoding="utf-8")})
    (env,) = select_environments([service])
    folder = ROOT / "lockfiles" / env.name
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.txt")}
    return env, file_format.parse_lock(f"lockfiles/{env.name}", texts)


def test_what_comes_out_of_lora_reads_back(lora: tuple[Environment, Lock]) -> None:
    lab_service = reduce_service(*lora)
    assert read.read_services({LORA: write.to_yaml(lab_service)}) == (lab_service,)


def test_lora_in_the_lab_has_something_of_each_kind(lora: tuple[Environment, Lock]) -> None:
    env, locked = lora
    lab_service = reduce_service(env, locked)
    packages = {package.name for lab_layer in lab_service.layers for package in lab_layer.packages}
    assert {"dadaptation", "tqdm"} <= packages
    assert {"lion-pytorch", "toml", "schedulefree"} <= scope.lab_package_names(env.service, locked)
    assert not packages & {"numpy", "bitsandbytes", "opencv-python-headless"}
    assert any(locked.packages[name].is_source for name in packages)
    assert {"torch", "torchvision", "torchaudio"} <= {*lab_service.imports} <= {*env.service.imports}
    assert not {"accelerate", "diffusers"} & {*lab_service.imports}


def test_lora_in_the_lab_has_no_deviation_without_reason_and_no_stale_reason(
    lora: tuple[Environment, Lock],
) -> None:
    env, locked = lora
    assert unexplained_and_stale(*lock_reduced(env, locked, reduce_service(env, locked))) == ([], ())


def test_an_empty_layer_reads_back(environment: Environments, lock: Locks, artifact: Artifacts) -> None:
    env = environment_with_pins("big==1.0", env=environment, sources=(SOURCE,))
    lab_service = reduce_service(env, lock(env, artifact("big", by=("lora",), size=LARGE)))
    assert read.read_services({LORA: write.to_yaml(lab_service)}) == (lab_service,)
