"""torch from the base image, wheels with an ABI in their name, a base per variant: plans, locks and Dockerfiles."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.compat.wheels import abi_pin, abi_wheels
from torchpin.description import read
from torchpin.description.environments import MACHINES, select_environments
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_dockerfile
from torchpin.lock import export, file_format, uv_project
from torchpin.lock import layers as lock_layers
from torchpin.model import Artifact, Base, Environment, Layer, Lock, Position, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import LayerLock, Service

    Services = Callable[..., Service]
    Environments = Callable[..., Environment]
    Artifacts = Callable[..., Artifact]

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "docker/Dockerfile.j2").read_text(encoding="utf-8")
RELEASE = "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3"
WHEEL = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
DIGEST = "cd1a45ebfc1731a13e55ad68e0c9ad92390ddfffba306f9222be67c6d5a805af"
FLASH = "flash-attn==2.8.3"
UV = "0.13.9"
FAMILY = MappingProxyType({"torchvision": Version("0.22.1"), "torchaudio": Version("2.7.1")})


def layer(name: str, *pins: str, optional: bool = False) -> Layer:
    return Layer(name=name, packages=tuple(map(Requirement, pins)), optional=optional)


ATTENTION, LAYER_ONE, LAYER_TWO = layer("attention", FLASH), layer("one", "a==1"), layer("two", "b==1")


def make_environment(
    environment: Environments, *layers: Layer, origin: str = "base", channel: str = "cu126", **changes: Any
) -> Environment:
    """An environment with torch 2.7.1, from the base image unless said otherwise."""
    torch = Torch(version=Version("2.7.1"), companions=FAMILY, origin="base" if origin == "base" else "index")
    python = Version("3.11" if origin == "base" else "3.11.9")
    values = {"name": "seedvr", "python": python, "torch": torch, "layers": layers, **changes}
    return environment(channel=channel, **values)


def resolution(artifact: Artifacts, *additions: Artifact, local: str = "+cu126") -> list[Artifact]:
    """torch with what only it wants, einops for flash-attn alone, and what is added."""
    return [
        artifact("torch", f"2.7.1{local}", by=("flash-attn", "seedvr")),
        artifact("torchvision", f"0.22.1{local}", by=("seedvr",)),
        artifact("torchaudio", f"2.7.1{local}", by=("seedvr",)),
        artifact("nvidia-cudnn-cu12", "9.5.1.17", by=("torch",)),
        artifact("triton", "3.3.1", by=("torch",)),
        artifact("filelock", "4.2.11", by=("torch", "a")),
        artifact("flash-attn", "2.8.3", by=("seedvr",), filename=WHEEL, sha256=DIGEST, size=None),
        artifact("einops", "0.8.1", by=("flash-attn",)),
        artifact("a", "1", by=("seedvr",)),
        artifact("b", "1", by=("seedvr",)),
        *additions,
    ]


def make_lock(env: Environment, packages: list[Artifact]) -> Lock:
    layers, provided = lock_layers.split_layers(env, packages, uv=UV)
    return Lock(layers=layers, provided=provided)


def layer_contents(lock: Lock) -> dict[str, list[str]]:
    return {layer_lock.name: [package.name for package in layer_lock.packages] for layer_lock in lock.layers}


def instructions(text: str) -> list[str]:
    """Each instruction on one line, as Docker reads it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines()]


def dockerfile(env: Environment, lock: Lock) -> list[str]:
    return instructions(render_dockerfile(TEMPLATE, plan.image_plan(env, lock)))


# --- the pin of a wheel with an ABI ----------------------------------------------------------------------------------


def test_a_wheel_with_an_abi_is_told_by_its_name_however_it_is_spelled() -> None:
    assert str(abi_pin(ATTENTION)) == FLASH
    assert str(abi_pin(layer("attention", "Flash_Attn==2.8.3"))) == "Flash_Attn==2.8.3"
    assert abi_pin(LAYER_ONE) is None
    assert abi_pin(layer("empty")) is None


@pytest.mark.parametrize("pins", [(FLASH, "einops==0.8.1"), ("einops==0.8.1", FLASH)])
def test_beside_a_wheel_with_an_abi_nothing_else_may_stand(pins: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"The layer attention holds flash-attn.*give it a layer of its own"):
        abi_pin(layer("attention", *pins))


def test_the_exact_file_follows_from_python_torch_cuda_abi_and_platform(environment: Environments) -> None:
    (wheel,) = abi_wheels(make_environment(environment, ATTENTION, LAYER_ONE)).values()
    assert (wheel.filename, wheel.sha256, wheel.release) == (WHEEL, DIGEST, RELEASE)
    assert wheel.requires == ("einops",)
    assert abi_wheels(make_environment(environment, LAYER_ONE)) == {}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"python": Version("3.10")}, "torch2.7cxx11abiTRUE-cp310-"),
        ({"python": Version("3.12.4")}, "torch2.7cxx11abiTRUE-cp312-"),
        ({"torch": Torch(version=Version("2.8.0"), companions={}), "channel": "cu128"}, "torch2.8cxx11abiTRUE-"),
        ({"torch": Torch(version=Version("2.5.1"), companions={}), "channel": "cu121"}, "torch2.5cxx11abiFALSE-"),
        ({"torch": Torch(version=Version("2.7.1"), companions={}), "channel": "pypi"}, "torch2.7cxx11abiTRUE-"),
    ],
    ids=["another Python", "a patch release", "another torch", "the old ABI", "PyPI's torch"],
)  # fmt: skip
def test_another_ground_has_another_file(
    environment: Environments, changes: dict[str, Any], part: str
) -> None:
    (wheel,) = abi_wheels(make_environment(environment, ATTENTION, **changes)).values()
    assert part in wheel.filename
    assert wheel.sha256 != DIGEST or part == "torch2.7cxx11abiTRUE-"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": Version("3.14")}, "there is no wheel for platform linux_x86_64, torch 2.7, cuda 12, python cp314; the nearest are for python cp39"),
        ({"platform": "linux/arm64"}, "there is no wheel for platform linux_aarch64"),
        ({"channel": "cpu"}, "torch 2.7.1 from cpu is no CUDA build; with CUDA, torch 2.7 is on cu118, cu126, cu128"),
        ({"layers": (LAYER_ONE, layer("attention", "flash-attn==1.0.9"))}, "no wheel of this version is recorded"),
    ],
    ids=["Python", "platform", "CPU", "version"],
)  # fmt: skip
def test_without_a_fitting_wheel_the_pin_is_told_with_its_place_and_the_facts_own_sentence(
    environment: Environments, changes: dict[str, Any], message: str
) -> None:
    position = Position(file="services/seedvr/service.yaml", line=27, column=9)
    positions = {"layers[1].packages[0]": position}
    base_env = make_environment(environment, LAYER_ONE, ATTENTION, positions=positions)
    env = make_environment(
        environment, **{"layers": base_env.service.layers, "positions": positions, **changes}
    )
    with pytest.raises(InputError) as excinfo:
        abi_wheels(env)
    version = "1.0.9" if "layers" in changes else "2.8.3"
    no_wheel = facts.find_wheel(
        "flash-attn", version, python=str(env.service.python), torch="2.7.1", channel=env.variant.channel,
        machine=MACHINES[env.variant.platform],
    )  # fmt: skip
    assert isinstance(no_wheel, facts.NoWheel)
    assert str(excinfo.value) == f"{position}: flash-attn=={version}: {no_wheel}"
    assert message in str(excinfo.value)


def test_a_description_without_marks_is_named_by_its_file(environment: Environments) -> None:
    with pytest.raises(InputError) as excinfo:
        abi_wheels(make_environment(environment, ATTENTION, channel="cpu"))
    assert str(excinfo.value).startswith("services/seedvr/service.yaml: flash-attn==2.8.3: ")


def test_the_place_is_the_pin_s_own_line_in_a_description_as_people_write_it() -> None:
    path = "services/seedvr/service.yaml"
    text = (ROOT / path).read_text(encoding="utf-8").replace("flash-attn==2.8.3", "flash-attn==2.8.99")
    line = next(
        number
        for number, content in enumerate(text.splitlines(), start=1)
        if "- flash-attn==2.8.99" in content
    )
    (env,) = select_environments(read.read_services({path: text}))
    with pytest.raises(
        InputError, match=rf"^{re.escape(path)}:{line}:\d+: flash-attn==2\.8\.99: .*What makes one: "
    ):
        abi_wheels(env)


def test_a_resolution_is_asked_for_the_wheel_s_wants_and_not_for_the_wheel(environment: Environments) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    assert uv_project.resolution_requirements(env, abi_wheels(env)) == (
        "torch==2.7.1", "torchvision==0.22.1", "torchaudio==2.7.1", "a==1", "einops",
    )  # fmt: skip
    assert uv_project.resolution_requirements(env, {})[3:] == (FLASH, "a==1")


# --- layers ----------------------------------------------------------------------------------------------------------


def test_a_base_s_torch_has_no_layers_of_its_own(environment: Environments) -> None:
    assert lock_layers.layer_names(make_environment(environment, ATTENTION, LAYER_ONE)) == (
        "01-attention",
        "02-one",
    )
    assert lock_layers.layer_names(make_environment(environment, ATTENTION, LAYER_ONE, origin="index")) == (
        "00-torch", "01-torch-deps", "02-attention", "03-one",
    )  # fmt: skip
    assert lock_layers.layer_names(make_environment(environment)) == ()


def test_nothing_of_torch_is_installed_over_a_base_s(environment: Environments, artifact: Artifacts) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE, LAYER_TWO), resolution(artifact))
    assert layer_contents(lock) == {
        "01-attention": ["flash-attn"],
        "02-one": ["a", "einops", "filelock"],
        "03-two": ["b"],
    }
    assert lock.provided
    assert [(package.name, package.version) for package in lock.provided.packages] == [
        ("torch", "2.7.1+cu126"), ("torchaudio", "2.7.1+cu126"), ("torchvision", "0.22.1+cu126"),
    ]  # fmt: skip
    assert (lock.provided.name, lock.provided.origin, lock.provided.file) == (
        "00-given",
        "cu126",
        "00-given.txt",
    )
    assert {"torch", "triton", "nvidia-cudnn-cu12"} & {*lock.packages} == set()
    assert {"torch", "torchvision", "torchaudio"} <= {*lock.all_packages}


def test_an_index_s_torch_is_installed_and_nothing_is_given(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = make_lock(
        make_environment(environment, ATTENTION, LAYER_ONE, origin="index"), resolution(artifact)
    )
    assert lock.provided is None
    assert layer_contents(lock) == {
        "00-torch": ["torch", "torchaudio", "torchvision"],
        "01-torch-deps": ["b", "nvidia-cudnn-cu12", "triton"],
        "02-attention": ["flash-attn"],
        "03-one": ["a", "einops", "filelock"],
    }


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_wheel_with_an_abi_is_alone_in_its_layer_with_its_own_origin(
    environment: Environments, artifact: Artifacts, position: int
) -> None:
    layers = [LAYER_ONE, LAYER_TWO]
    layers.insert(position, ATTENTION)
    lock = make_lock(make_environment(environment, *layers), resolution(artifact))
    assert [layer_lock.origin for layer_lock in lock.layers if layer_lock.name.endswith("-attention")] == [
        "flash-attn"
    ]
    assert {
        layer_lock.origin for layer_lock in lock.layers if not layer_lock.name.endswith("-attention")
    } == {"pypi"}
    (attention,) = [layer_lock for layer_lock in lock.layers if layer_lock.name.endswith("-attention")]
    assert [(package.name, package.filename, package.sha256) for package in attention.packages] == [
        ("flash-attn", WHEEL, DIGEST)
    ]
    (home,) = [name for name, package_names in layer_contents(lock).items() if "einops" in package_names]
    assert home.endswith(("-one", "-two"))


def test_what_a_service_declares_stays_where_it_is_declared(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, layer("restoration", "einops==0.8.1"))
    lock = make_lock(env, resolution(artifact))
    assert layer_contents(lock)["03-restoration"] == ["einops"]
    assert layer_contents(lock)["02-one"] == ["a", "filelock"]


def test_optional_layers_keep_their_word(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(
        environment, layer("attention", FLASH, optional=True), LAYER_ONE, replace(LAYER_TWO, optional=True)
    )
    lock = make_lock(env, resolution(artifact))
    assert [(layer_lock.name, layer_lock.optional) for layer_lock in lock.layers] == [
        ("01-attention", True), ("02-one", False), ("03-two", True),
    ]  # fmt: skip
    assert [step.optional for step in plan.install_steps(lock)] == [True, False, True]
    expectations: Any = plan.probe_expectations(env, lock)
    assert expectations["optional"] == {"b": "1", "flash-attn": "2.8.3"}
    assert {*expectations["distributions"]} == {"a", "einops", "filelock"}


@pytest.mark.parametrize("optional_first", [True, False])
def test_what_must_be_there_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts, *, optional_first: bool
) -> None:
    """A failed optional layer takes nothing from the others: what both want is installed with the one that must be."""
    layers = [layer("extras", "a==1", optional=True), LAYER_TWO]
    env = make_environment(environment, *(layers if optional_first else layers[::-1]))
    shared = [
        artifact("shared", by=("a", "b")),
        artifact("below", by=("shared",)),
        artifact("own", by=("a",)),
    ]
    lock = make_lock(env, resolution(artifact, *shared))
    names_by_layer = layer_contents(lock)
    required, optional = (
        next(name for name in names_by_layer if name.endswith(suffix)) for suffix in ("-two", "-extras")
    )
    assert {"shared", "below"} <= {*names_by_layer[required]}
    assert "own" in names_by_layer[optional]


def test_what_a_wheel_with_an_abi_wants_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, replace(LAYER_ONE, optional=True), LAYER_TWO)
    assert "einops" in layer_contents(make_lock(env, resolution(artifact)))["03-two"]


def test_without_a_layer_from_pypi_nothing_is_put_beside_the_wheel(
    environment: Environments, artifact: Artifacts
) -> None:
    """A layer has one origin: what the wheel wants goes with what torch wants, or the description is refused."""
    packages = [package for package in resolution(artifact) if package.name not in {"a", "b"}]
    index_env = make_environment(environment, ATTENTION, origin="index")
    assert layer_contents(make_lock(index_env, packages))["01-torch-deps"] == [
        "einops", "filelock", "nvidia-cudnn-cu12", "triton",
    ]  # fmt: skip
    with pytest.raises(InputError, match="flash-attn"):
        make_lock(make_environment(environment, ATTENTION), packages)


# --- what an installer is given --------------------------------------------------------------------------------------


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


def test_the_step_of_a_wheel_with_an_abi_knows_its_release_and_no_index(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact))
    assert plan.install_steps(lock) == (
        plan.InstallStep(
            file="01-attention.txt", origin="flash-attn", index=None, mirror="TORCHPIN_MIRROR_FLASH_ATTN",
            optional=False, builds=False, release=RELEASE,
        ),
        plan.InstallStep(
            file="02-one.txt", origin="pypi", index=None, mirror="TORCHPIN_MIRROR_PYPI", optional=False, builds=False,
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
        "layers/01-attention.txt",
        "layers/02-one.txt",
        "smoke.py",
    ]
    assert not [
        name for name, text in context.files.items() if name.startswith("layers/") and "torch==" in text
    ]


# --- what the probe must find ----------------------------------------------------------------------------------------


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


# --- what a lock answers ---------------------------------------------------------------------------------------------


def outdated_files(env: Environment, lock: Lock) -> list[str]:
    return [file for file, _, _ in lock_layers.outdated_files(env, lock)]


def test_a_fresh_lock_of_these_shapes_is_not_stale(environment: Environments, artifact: Artifacts) -> None:
    for origin in ("base", "index"):
        env = make_environment(environment, ATTENTION, LAYER_ONE, LAYER_TWO, origin=origin)
        assert outdated_files(env, make_lock(env, resolution(artifact))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"torch": Torch(version=Version("2.7.0"), companions=FAMILY, origin="base")}, ["01-attention.txt", "00-given.txt"]),
        ({"torch": Torch(version=Version("2.7.1"), companions={}, origin="base")}, ["00-given.txt"]),
        ({"channel": "cu128"}, ["01-attention.txt", "00-given.txt"]),
        ({"python": Version("3.12")}, ["01-attention.txt", "02-one.txt", "00-given.txt"]),
        ({"layers": (ATTENTION, layer("one", "a==2"))}, ["02-one.txt"]),
        ({"layers": (layer("attention", "flash-attn==2.8.2"), LAYER_ONE)}, ["01-attention.txt"]),
        ({"layers": (layer("attention", FLASH, optional=True), LAYER_ONE)}, ["01-attention.txt"]),
        ({"base": Base(image="pytorch/pytorch:other"), "summary": "other"}, []),
    ],
    ids=["torch", "companions", "channel", "Python", "a pin", "the wheel", "optional", "the image's tag"],
)  # fmt: skip
def test_a_layer_is_stale_exactly_when_its_own_part_changes(
    environment: Environments, artifact: Artifacts, changes: dict[str, Any], expected: list[str]
) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact))
    after = make_environment(environment, **{"layers": (ATTENTION, LAYER_ONE), **changes})
    assert outdated_files(after, lock) == expected


def test_a_lock_of_another_origin_is_stale_in_both_directions(
    environment: Environments, artifact: Artifacts
) -> None:
    base_env = make_environment(environment, ATTENTION, LAYER_ONE)
    index_env = make_environment(environment, ATTENTION, LAYER_ONE, origin="index")
    assert "00-given.txt" in outdated_files(base_env, make_lock(index_env, resolution(artifact)))
    assert {"00-given.txt", "00-torch.txt"} <= {
        *outdated_files(index_env, make_lock(base_env, resolution(artifact)))
    }
    assert outdated_files(base_env, replace(make_lock(base_env, resolution(artifact)), provided=None)) == [
        "00-given.txt"
    ]


# --- the text of a lock ----------------------------------------------------------------------------------------------


def test_a_lock_with_a_given_torch_reads_back_as_it_was_written(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact))
    texts = file_format.lock_texts(lock)
    assert sorted(texts) == ["00-given.txt", "01-attention.txt", "02-one.txt"]
    parsed = file_format.parse_lock("lockfiles/seedvr-gpu", texts)
    assert parsed == lock
    assert file_format.lock_texts(parsed) == texts
    assert "://" not in "".join(texts.values())
    assert f"{FLASH} --hash=sha256:{DIGEST}  # {WHEEL}, size not published, for seedvr\n" in texts[
        "01-attention.txt"
    ]  # fmt: skip


# --- Dockerfiles -----------------------------------------------------------------------------------------------------


def test_a_base_s_torch_is_seen_from_a_venv_that_installs_none(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    lines = dockerfile(env, make_lock(env, resolution(artifact)))
    (venv,) = [line for line in lines if " venv " in line]
    assert (
        'uv venv --no-project --no-python-downloads --system-site-packages --python "$(command -v python3)" /opt/venv'
        in venv
    )
    installs = [line for line in lines if "pip install" in line]
    assert [re.findall(r"--requirements \S+/(\S+)", line) for line in installs] == [
        ["01-attention.txt"], ["02-one.txt"],
    ]  # fmt: skip
    assert not [line for line in lines if "whl/cu" in line or "00-" in line or "torch-deps" in line]
    assert any(line.endswith('org.opencontainers.image.version="2.7.1+cu126" io.torchpin.description="services/seedvr/service.yaml"') for line in lines)  # fmt: skip


def test_an_index_s_torch_is_installed_into_a_venv_of_its_own(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, origin="index")
    lines = dockerfile(env, make_lock(env, resolution(artifact)))
    (venv,) = [line for line in lines if " venv " in line]
    assert "--system-site-packages" not in venv
    assert "--python 3.11.9 /opt/venv" in venv


def test_an_abi_wheel_s_address_is_its_release_s_or_its_mirror_s_and_is_not_kept(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    (line,) = [
        instruction for instruction in dockerfile(env, make_lock(env, resolution(artifact))) if "01-attention.txt --hash" in instruction
        or "--requirements /run/torchpin/layers/01-attention.txt" in instruction
    ]  # fmt: skip
    assert f'export TORCHPIN_MIRROR_FLASH_ATTN="${{TORCHPIN_MIRROR_FLASH_ATTN:-{RELEASE}}}" &&' in line
    assert "--no-deps --require-hashes --no-build " in line
    assert "UV_DEFAULT_INDEX" not in line
    assert line.endswith("rm -f /opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json")


def test_an_optional_abi_wheel_that_fails_leaves_the_image_without_it(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, layer("attention", FLASH, optional=True), LAYER_ONE)
    lines = dockerfile(env, make_lock(env, resolution(artifact)))
    (line,) = [
        instruction
        for instruction in lines
        if "--requirements /run/torchpin/layers/01-attention.txt" in instruction
    ]
    assert re.search(r"&& \{ /run/torchpin/uv pip install .*direct_url\.json \|\| echo ", line)
    assert line.endswith(
        '"torchpin: the optional layer 01-attention.txt could not be installed; the image goes without it" >&2; }'
    )


def test_each_variant_stands_on_its_own_base(service: Services, artifact: Artifacts) -> None:
    digest = "sha256:" + "0f" * 32
    variants = (
        Variant(name="gpu", channel="cu121", platform="linux/amd64"),
        Variant(name="cpu", channel="cpu", platform="linux/amd64", base=Base(image="ubuntu:22.04", digest=digest)),
        Variant(name="arm64", channel="cpu", platform="linux/arm64", base=Base(image="python:3.10-slim-bookworm")),
    )  # fmt: skip
    described_service = service(
        variants=variants, base=Base(image="nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    )
    from_lines = {}
    for env in select_environments((described_service,)):
        local = "" if env.variant.platform == "linux/arm64" else f"+{env.variant.channel}"
        packages = [
            artifact(name, f"{version}{local}") for name, version in described_service.torch.family.items()
        ]
        packages.append(artifact("tqdm", "4.66.5"))
        (from_lines[env.name], *_) = [
            line for line in dockerfile(env, make_lock(env, packages)) if line.startswith("FROM ")
        ]
    assert from_lines == {
        "lora-gpu": "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
        "lora-cpu": f"FROM ubuntu:22.04@{digest}",
        "lora-arm64": "FROM python:3.10-slim-bookworm",
    }


# --- the committed locks ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["seedvr", "videogen"])
def committed(request: pytest.FixtureRequest) -> tuple[Environment, Lock]:
    path = f"services/{request.param}/service.yaml"
    services = read.read_services({path: (ROOT / path).read_text(encoding="utf-8")})
    (env,) = select_environments(services)
    folder = ROOT / "lockfiles" / env.name
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.txt")}
    return env, file_format.parse_lock(f"lockfiles/{env.name}", texts)


def test_a_committed_lock_gives_torch_and_installs_none(committed: tuple[Environment, Lock]) -> None:
    env, lock = committed
    assert lock.provided
    assert {package.name: package.version for package in lock.provided.packages} == {
        name: f"{version}+{env.variant.channel}" for name, version in env.service.torch.family.items()
    }
    names = {package.name for layer_lock in lock.layers for package in layer_lock.packages}
    assert not {*env.service.torch.family} & names
    assert not [name for name in names if name.startswith("nvidia-") or name in {"triton", "pytorch-triton"}]
    assert [layer_lock.name for layer_lock in lock.layers] == [*lock_layers.layer_names(env)]
    assert not {lock_layers.TORCH, lock_layers.TORCH_DEPS} & {layer_lock.name for layer_lock in lock.layers}
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


def test_nothing_that_a_committed_lock_must_install_hangs_on_an_optional_layer(
    committed: tuple[Environment, Lock],
) -> None:
    _, lock = committed
    home = {package.name: layer_lock for layer_lock in lock.layers for package in layer_lock.packages}
    wrong = [
        f"{package.name} in {layer_lock.name}, wanted by {parent}"
        for layer_lock in lock.layers
        if layer_lock.optional
        for package in layer_lock.packages
        for parent in package.required_by
        if parent in home and not home[parent].optional
    ]
    assert wrong == []
