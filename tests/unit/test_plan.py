"""Descriptions to what is to be done: environments, layers, artifacts, images, keys."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.compat.wheels import best_wheel
from torchpin.description.environments import (
    cuda_version,
    index_url,
    mirror_variable,
    native_environment,
    select_environments,
    torch_build,
    uv_platform,
)
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list
from torchpin.lock import layers as lock_layers
from torchpin.model import Artifact, Environment, Layer, Run, Service, Source, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Lock

    Services = Callable[..., Service]
    Environments = Callable[..., Environment]
    Locks = Callable[..., Lock]
    Artifacts = Callable[..., Artifact]

CP310 = Version("3.10.14")
GPU = Variant(name="gpu", channel="cu121", platform="linux/amd64")
CPU = Variant(name="cpu", channel="cpu", platform="linux/amd64")


def layer(name: str, *pins: str, optional: bool = False) -> Layer:
    return Layer(name=name, packages=tuple(map(Requirement, pins)), optional=optional)


# --- environments ----------------------------------------------------------------------------------------------------


@pytest.fixture
def two(service: Services) -> tuple[Service, ...]:
    return service(variants=(GPU, CPU)), service(name="seedvr", variants=(GPU,))


def names(environments: tuple[Environment, ...]) -> list[str]:
    return [env.name for env in environments]


def test_all_environments_are_every_service_s_variants(two: tuple[Service, ...]) -> None:
    assert names(select_environments(two)) == ["lora-gpu", "lora-cpu", "seedvr-gpu"]


def test_environments_are_chosen_by_service_and_variant(two: tuple[Service, ...]) -> None:
    assert names(select_environments(two, service="lora")) == ["lora-gpu", "lora-cpu"]
    assert names(select_environments(two, variant="gpu")) == ["lora-gpu", "seedvr-gpu"]
    assert names(select_environments(two, service="lora", variant="cpu")) == ["lora-cpu"]


@pytest.mark.parametrize(
    ("name", "variant", "message"),
    [
        ("laura", "", "There is no service 'laura' (did you mean 'lora'?)"),
        ("zzz", "", "There is no service 'zzz' (there are: lora, seedvr)"),
        ("", "gpus", "There is no variant 'gpus' (did you mean 'gpu'?)"),
        ("seedvr", "cpu", "There is no variant 'cpu' (did you mean 'gpu'?)"),
        ("seedvr", "arm64", "There is no variant 'arm64' (there are: gpu)"),
    ],
)
def test_a_name_that_nothing_has_is_refused(
    two: tuple[Service, ...], name: str, variant: str, message: str
) -> None:
    with pytest.raises(InputError) as excinfo:
        select_environments(two, service=name, variant=variant)
    assert str(excinfo.value) == message


def test_a_repository_without_services_says_so() -> None:
    with pytest.raises(InputError) as excinfo:
        select_environments((), service="lora")
    assert str(excinfo.value) == "There is no service 'lora' (there are: none)"


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("cu121", "TORCHPIN_MIRROR_CU121"),
        ("sd-scripts", "TORCHPIN_MIRROR_SD_SCRIPTS"),
        ("docker.io", "TORCHPIN_MIRROR_DOCKER_IO"),
    ],
)
def test_a_mirror_has_a_variable(name: str, variable: str) -> None:
    assert mirror_variable(name) == variable


def test_a_channel_has_an_address_and_pypi_is_found_without_one() -> None:
    assert index_url("cu121") == "https://download.pytorch.org/whl/cu121"
    assert index_url("pypi") is None


# --- the split -------------------------------------------------------------------------------------------------------


def names_by_layer(env: Environment, *packages: Artifact) -> dict[str, list[str]]:
    layers = lock_layers.split_layers(env, packages, uv="0.13.9")[0]
    return {layer_lock.name: [package.name for package in layer_lock.packages] for layer_lock in layers}


def test_a_resolution_is_split_by_who_wants_what(environment: Environments, artifact: Artifacts) -> None:
    env = environment(layers=(layer("one", "a==1"), layer("two", "b==1", "shared-declared==1")))
    assert names_by_layer(
        env,
        artifact("torch", by=("lora",)),
        artifact("torchvision", by=("lora",)),
        artifact("triton", by=("torch",)),
        artifact("below-triton", by=("triton",)),
        artifact("filelock", by=("torch", "a")),
        artifact("a", by=("lora",)),
        artifact("b", by=("lora",)),
        artifact("shared-declared", by=("lora", "a")),
        artifact("below-declared", by=("shared-declared",)),
        artifact("both", by=("a", "b")),
        artifact("only-b", by=("b",)),
        artifact("below-only-b", by=("only-b",)),
    ) == {
        "00-torch": ["torch", "torchvision"],
        "01-torch-deps": ["below-triton", "triton"],
        "02-one": ["a", "below-declared", "both", "filelock"],
        "03-two": ["b", "below-only-b", "only-b", "shared-declared"],
    }


def test_packages_that_want_each_other_are_split_too(environment: Environments, artifact: Artifacts) -> None:
    env = environment(layers=(layer("one", "a==1"),))
    split_names = names_by_layer(
        env, artifact("a", by=("lora", "b")), artifact("b", by=("a",)), artifact("c", by=("c",))
    )
    assert split_names["02-one"] == ["a", "b"]
    assert split_names["01-torch-deps"] == ["c"]


def test_a_declared_name_is_found_however_it_is_spelled(
    environment: Environments, artifact: Artifacts
) -> None:
    env = environment(layers=(layer("one", "Ruamel.YAML==1"),))
    assert names_by_layer(env, artifact("ruamel-yaml", by=("lora",)))["02-one"] == ["ruamel-yaml"]


def test_a_layer_knows_its_origin_and_whether_it_is_optional(environment: Environments) -> None:
    env = environment(layers=(layer("one"), layer("two", optional=True)))
    layers = lock_layers.split_layers(env, (), uv="0.13.9")[0]
    assert [(layer_lock.file, layer_lock.origin, layer_lock.optional) for layer_lock in layers] == [
        ("00-torch.txt", "cu121", False),
        ("01-torch-deps.txt", "pypi", False),
        ("02-one.txt", "pypi", False),
        ("03-two.txt", "pypi", True),
    ]
    assert {
        (layer_lock.environment, layer_lock.python, layer_lock.platform, layer_lock.uv)
        for layer_lock in layers
    } == {("lora-gpu", "3.10.14", "linux/amd64", "0.13.9")}


@given(data=st.data())
def test_no_package_is_lost_and_none_comes_twice(
    data: st.DataObject, environment: Environments, artifact: Artifacts
) -> None:
    extra_names = [f"p{number}" for number in range(8)]
    all_names = ["torch", "torchvision", *extra_names]
    declared = data.draw(st.lists(st.sampled_from(extra_names), unique=True, max_size=5))
    cut = data.draw(st.integers(0, len(declared)))
    layers = (
        layer("one", *(f"{name}==1" for name in declared[:cut])),
        layer("two", *(f"{name}==1" for name in declared[cut:])),
    )
    env = environment(layers=layers)
    parents = st.lists(st.sampled_from([*all_names, "lora"]), max_size=3, unique=True).map(tuple)
    packages = [artifact(name, by=data.draw(parents)) for name in all_names]
    split_names = names_by_layer(env, *data.draw(st.permutations(packages)))
    assert sorted(name for layer_names in split_names.values() for name in layer_names) == sorted(all_names)
    assert split_names["00-torch"] == ["torch", "torchvision"]
    for declared_layer, content in zip(layers, list(split_names.values())[2:], strict=True):
        assert {canonicalize_name(package.name) for package in declared_layer.packages} <= {*content}
    assert all(content == sorted(content) for content in split_names.values())
    required_by = {package.name: {*package.required_by} for package in packages}
    for name in split_names["01-torch-deps"]:  # only torch and what torch wants wants them
        assert required_by[name] <= {"torch", "torchvision", "lora", *split_names["01-torch-deps"]}


# --- the one artifact ------------------------------------------------------------------------------------------------


def best_filename(*files: str, python: Version = CP310, platform: str = "linux/amd64") -> str | None:
    artifacts = [Artifact(name="a", version="1", filename=file, sha256="0f" * 32) for file in files]
    best = best_wheel(artifacts, python, platform)
    assert best == best_wheel(artifacts[::-1], python, platform)
    return best.filename if best else None


@pytest.mark.parametrize(
    ("files", "best"),
    [
        (("a-1-cp310-cp310-manylinux2014_x86_64.whl", "a-1-cp38-abi3-manylinux2014_x86_64.whl"), 0),
        (("a-1-cp38-abi3-manylinux2014_x86_64.whl", "a-1-py3-none-manylinux2014_x86_64.whl"), 0),
        (("a-1-py3-none-manylinux2014_x86_64.whl", "a-1-py3-none-any.whl"), 0),
        (("a-1-cp310-cp310-manylinux_2_28_x86_64.whl", "a-1-cp310-cp310-manylinux2014_x86_64.whl"), 0),
        (("a-1-cp310-cp310-manylinux_2_17_x86_64.whl", "a-1-cp310-cp310-linux_x86_64.whl"), 0),
        (("a-1-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "a-1.tar.gz"), 0),
        (("a-1-2-py3-none-any.whl", "a-1-1-py3-none-any.whl"), 0),
        (("a-1-1-py3-none-any.whl", "a-1-py3-none-any.whl"), 0),
        (("a-1-py2.py3-none-any.whl", "a-1.tar.gz"), 0),
        (("a-1.tar.gz", "a-1-cp311-cp311-manylinux2014_x86_64.whl"), 0),
        (("a-1.tar.gz", "a-1-cp310-cp310-manylinux_2_35_x86_64.whl"), 0),
        (("a-1.tar.gz", "a-1-cp310-cp310-win_amd64.whl"), 0),
        (("a-1.tar.gz", "a-1-cp310-cp310-musllinux_1_2_x86_64.whl"), 0),
        (("a-1.tar.gz", "a-1-cp310-cp310-manylinux2014_aarch64.whl"), 0),
        (("a-1.tar.gz", "a-1.zip"), 0),
    ],
)
def test_the_best_artifact_is_chosen_by_its_tags(files: tuple[str, ...], best: int) -> None:
    assert best_filename(*files) == files[best]


@pytest.mark.parametrize(
    "file",
    [
        "a-1-cp310-cp310-manylinux_2_35_x86_64.whl",
        "a-1-cp310-cp310-manylinux2014_aarch64.whl",
        "a-1-cp39-cp39-manylinux2014_x86_64.whl",
        "a-1-cp311-abi3-manylinux2014_x86_64.whl",
        "a-1-py2-none-any.whl",
        "a-1-cp310-cp310-macosx_11_0_arm64.whl",
    ],
)
def test_what_cannot_run_here_is_no_artifact(file: str) -> None:
    assert best_filename(file) is None


def test_a_plain_linux_wheel_runs_here() -> None:
    assert best_filename("torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl") is not None


def test_another_platform_has_its_own_artifact() -> None:
    files = ("a-1-cp310-cp310-manylinux2014_x86_64.whl", "a-1-cp310-cp310-manylinux_2_28_aarch64.whl")
    assert best_filename(*files, platform="linux/arm64") == files[1]


def test_another_python_has_its_own_artifact() -> None:
    files = ("a-1-cp310-cp310-manylinux2014_x86_64.whl", "a-1-cp312-cp312-manylinux2014_x86_64.whl")
    assert best_filename(*files, python=Version("3.12.8")) == files[1]


def test_there_may_be_no_artifact() -> None:
    assert best_filename() is None


# --- what a layer answers --------------------------------------------------------------------------------------------

LAYERS = (layer("one", "a==1"), layer("two", "b==1"))
TORCH, DEPS, ONE, TWO, BUILD = "00-torch", "01-torch-deps", "02-one", "03-two", "build"


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        ({"summary": "other", "apt": ("git",), "run": Run(ports=(80,))}, ""),
        ({"python": Version("3.10.15")}, [TORCH, DEPS, ONE, TWO, BUILD]),
        ({"platform": "linux/arm64"}, [TORCH, DEPS, ONE, TWO, BUILD]),
        ({"channel": "cu124"}, [TORCH, DEPS]),
        ({"torch": Torch(version=Version("2.6.0"), companions={})}, [TORCH, DEPS]),
        ({"layers": (layer("one", "a==2"), LAYERS[1])}, [ONE]),
        ({"layers": (layer("one", "a[x]==1"), LAYERS[1])}, [ONE]),
        ({"layers": (LAYERS[0], layer("two", "b==1", "c==1"))}, [TWO]),
        ({"layers": (LAYERS[0], layer("two", "b==1", optional=True))}, [TWO]),
    ],
)
def test_a_layer_is_stale_exactly_when_its_own_part_changes(
    environment: Environments, changes: dict[str, Any], stale: list[str]
) -> None:
    before, after = environment(layers=LAYERS), environment(**{"layers": LAYERS, **changes})
    layer_names = [*lock_layers.layer_names(before), BUILD]
    assert [
        name
        for name in layer_names
        if lock_layers.inputs_digest(before, name) != lock_layers.inputs_digest(after, name)
    ] == [*stale]


def test_the_order_of_pins_is_no_part_of_the_question(environment: Environments) -> None:
    env = environment(layers=(layer("one", "a==1", "b==1"),))
    reordered = environment(layers=(layer("one", "b==1", "a==1"),))
    assert lock_layers.inputs_digest(env, ONE) == lock_layers.inputs_digest(reordered, ONE)


# --- the image -------------------------------------------------------------------------------------------------------


def test_cuda_and_build_follow_from_the_channel(environment: Environments) -> None:
    def build_and_cuda(channel: str, platform: str = "linux/amd64") -> tuple[str | None, str | None]:
        env = environment(channel=channel, platform=platform)
        return torch_build(env), cuda_version(env)

    assert build_and_cuda("cu121") == ("cu121", "12.1")
    assert build_and_cuda("cpu") == ("cpu", None)
    assert build_and_cuda("pypi") == ("cu124", "12.4")
    assert build_and_cuda("pypi", "linux/arm64") == (None, None)


@pytest.mark.parametrize(
    ("channel", "platform", "torch"),
    [
        ("cu121", "linux/amd64", {"version": "2.5.1+cu121", "cuda": "12.1", "archs": "sm_50 sm_90"}),
        ("cpu", "linux/amd64", {"version": "2.5.1+cpu", "cuda": None, "archs": None}),
        ("pypi", "linux/amd64", {"version": "2.5.1+cu124", "cuda": "12.4", "archs": "sm_50 sm_90"}),
        ("pypi", "linux/arm64", {"version": "2.5.1", "cuda": None, "archs": None}),
    ],
)
def test_the_probe_expects_the_channel_s_torch(
    environment: Environments, lock: Locks, channel: str, platform: str, torch: dict[str, str | None]
) -> None:
    env = environment(channel=channel, platform=platform)
    actual: Any = plan.probe_expectations(env, lock(env))["torch"]
    archs = f"{actual['archs'][0]} {actual['archs'][-1]}" if actual["archs"] else None
    assert actual | {"archs": archs} == torch


def test_the_probe_expects_what_the_lock_and_the_description_say(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    source = Source(name="b", url="u", tag="v1", commit="0f" * 20, path="third_party/b")
    layers = (layer("training", "tqdm==4.66.5"), layer("more", "einops==1.0", optional=True))
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
        "sources": {"/opt/lora/third_party/b": "0f" * 20},
    }
    at_home: Any = plan.probe_expectations(env, lock(env), home="/here")["sources"]
    assert at_home == {"/here/third_party/b": "0f" * 20}


def test_steps_are_the_layers_that_hold_something(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    layers = (
        layer("empty"),
        layer("training", "tqdm==4.66.5"),
        layer("old", "dadaptation==3.2", optional=True),
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
    assert plan.install_steps(locked) == (
        plan.InstallStep(file="00-torch.txt", **cu121, **plain),
        plan.InstallStep(file="01-torch-deps.txt", **pypi, **plain),
        plan.InstallStep(file="03-training.txt", **pypi, **plain),
        plan.InstallStep(file="04-old.txt", **pypi, optional=True, builds=True),
    )


def test_an_image_carries_its_own_variables_and_the_service_s(environment: Environments, lock: Locks) -> None:
    sources = tuple(
        Source(name=name, url="u", tag="v1", commit="0f" * 20, path=f"third_party/{name}") for name in "ab"
    )
    run = Run(env=MappingProxyType({"TZ": "UTC"}), freeze="/workspace/freeze.txt")
    env = environment(sources=sources, run=run, layers=(layer("one", "Pillow==1", "tqdm==4.66.5"),))
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
    env = environment(sources=(source,), layers=(layer("training", "tqdm==4.66.5"), layer("empty")))
    locked = lock(env, build=(artifact("setuptools", "81.0.0", by=("x",)),))
    built_context = plan.build_context(env, locked, runtime={"probe.py": "probe"}, smoke="smoke")
    assert sorted(built_context.files) == [
        "expect.json",
        "layers/00-torch.txt",
        "layers/01-torch-deps.txt",
        "layers/02-training.txt",
        "layers/build.txt",
        "runtime/probe.py",
        "smoke.py",
    ]
    assert built_context.files["layers/build.txt"].startswith("setuptools==81.0.0 --hash=sha256:")
    assert json.loads(built_context.files["expect.json"]) == plan.probe_expectations(env, locked)
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


# --- machines without Docker -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "platform", "local_platform", "expected"),
    [
        ("cu121", "linux/amd64", "linux/amd64", ("cu121", "linux/amd64")),
        ("cpu", "linux/arm64", "linux/arm64", ("cpu", "linux/arm64")),
        ("cpu", "linux/amd64", "macos/arm64", ("pypi", "macos/arm64")),
        ("cu121", "linux/amd64", "macos/arm64", None),
        ("cpu", "linux/amd64", "linux/arm64", None),
        ("cpu", "linux/amd64", "", None),
    ],
)
def test_an_environment_is_native_on_its_platform_and_a_cpu_build_on_macos_too(
    environment: Environments,
    channel: str,
    platform: str,
    local_platform: str,
    expected: tuple[str, str] | None,
) -> None:
    native_env = native_environment(environment(channel=channel, platform=platform), local_platform)
    assert (native_env and (native_env.variant.channel, native_env.variant.platform)) == expected


def test_macos_has_its_own_wheels_and_no_cuda(environment: Environments, artifact: Artifacts) -> None:
    env = environment(channel="pypi", platform="macos/arm64")
    assert (torch_build(env), cuda_version(env), uv_platform("macos/arm64")) == (
        "cpu",
        None,
        "aarch64-apple-darwin",
    )
    files = [
        artifact("a", filename="a-1.0-cp310-cp310-macosx_11_0_arm64.whl"),
        artifact("a", filename="a-1.0-cp310-cp310-manylinux_2_17_x86_64.whl"),
        artifact("a", filename="a-1.0-cp310-cp310-macosx_11_0_x86_64.whl"),
    ]
    best = best_wheel(files, env.service.python, "macos/arm64")
    assert best
    assert best.filename == files[0].filename
