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
from torchpin.compat import wheels
from torchpin.description import environments, read
from torchpin.errors import InputError
from torchpin.image import dockerfile as image_dockerfile
from torchpin.image import plan
from torchpin.lock import export, file_format, uv_project
from torchpin.lock import layers as lock_layers
from torchpin.model import Artifact, Base, Environment, Layer, Lock, Mark, Torch, Variant

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


ATTENTION, ONE, TWO = layer("attention", FLASH), layer("one", "a==1"), layer("two", "b==1")


def shaped(
    environment: Environments, *layers: Layer, origin: str = "base", channel: str = "cu126", **changes: Any
) -> Environment:
    """An environment with torch 2.7.1, from the base image unless said otherwise."""
    torch = Torch(version=Version("2.7.1"), companions=FAMILY, origin="base" if origin == "base" else "index")
    python = Version("3.11" if origin == "base" else "3.11.9")
    values = {"name": "seedvr", "python": python, "torch": torch, "layers": layers, **changes}
    return environment(channel=channel, **values)


def resolution(artifact: Artifacts, *more: Artifact, local: str = "+cu126") -> list[Artifact]:
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
        *more,
    ]


def locked(env: Environment, packages: list[Artifact]) -> Lock:
    layers, given = lock_layers.split(env, packages, uv=UV)
    return Lock(layers=layers, given=given)


def contents(lock: Lock) -> dict[str, list[str]]:
    return {one.name: [package.name for package in one.packages] for one in lock.layers}


def instructions(text: str) -> list[str]:
    """Each instruction on one line, as Docker reads it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines()]


def dockerfile(env: Environment, lock: Lock) -> list[str]:
    return instructions(image_dockerfile.dockerfile(TEMPLATE, plan.image(env, lock)))


# --- the pin of a wheel with an ABI ----------------------------------------------------------------------------------


def test_a_wheel_with_an_abi_is_told_by_its_name_however_it_is_spelled() -> None:
    assert str(wheels.abi_pin(ATTENTION)) == FLASH
    assert str(wheels.abi_pin(layer("attention", "Flash_Attn==2.8.3"))) == "Flash_Attn==2.8.3"
    assert wheels.abi_pin(ONE) is None
    assert wheels.abi_pin(layer("empty")) is None


@pytest.mark.parametrize("pins", [(FLASH, "einops==0.8.1"), ("einops==0.8.1", FLASH)])
def test_beside_a_wheel_with_an_abi_nothing_else_may_stand(pins: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"The layer attention holds flash-attn.*give it a layer of its own"):
        wheels.abi_pin(layer("attention", *pins))


def test_the_exact_file_follows_from_python_torch_cuda_abi_and_platform(environment: Environments) -> None:
    (found,) = wheels.abi_wheels(shaped(environment, ATTENTION, ONE)).values()
    assert (found.filename, found.sha256, found.release) == (WHEEL, DIGEST, RELEASE)
    assert found.requires == ("einops",)
    assert wheels.abi_wheels(shaped(environment, ONE)) == {}


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
    (found,) = wheels.abi_wheels(shaped(environment, ATTENTION, **changes)).values()
    assert part in found.filename
    assert found.sha256 != DIGEST or part == "torch2.7cxx11abiTRUE-"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"python": Version("3.14")}, "there is no wheel for platform linux_x86_64, torch 2.7, cuda 12, python cp314; the nearest are for python cp39"),
        ({"platform": "linux/arm64"}, "there is no wheel for platform linux_aarch64"),
        ({"channel": "cpu"}, "torch 2.7.1 from cpu is no CUDA build; with CUDA, torch 2.7 is on cu118, cu126, cu128"),
        ({"layers": (ONE, layer("attention", "flash-attn==1.0.9"))}, "no wheel of this version is recorded"),
    ],
    ids=["Python", "platform", "CPU", "version"],
)  # fmt: skip
def test_without_a_fitting_wheel_the_pin_is_told_with_its_place_and_the_facts_own_sentence(
    environment: Environments, changes: dict[str, Any], said: str
) -> None:
    where = Mark(file="services/seedvr/service.yaml", line=27, column=9)
    marks = {"layers[1].packages[0]": where}
    base = shaped(environment, ONE, ATTENTION, marks=marks)
    env = shaped(environment, **{"layers": base.service.layers, "marks": marks, **changes})
    with pytest.raises(InputError) as caught:
        wheels.abi_wheels(env)
    version = "1.0.9" if "layers" in changes else "2.8.3"
    found = facts.wheel(
        "flash-attn", version, python=str(env.service.python), torch="2.7.1", channel=env.variant.channel,
        machine=environments.MACHINES[env.variant.platform],
    )  # fmt: skip
    assert isinstance(found, facts.NoWheel)
    assert str(caught.value) == f"{where}: flash-attn=={version}: {found}"
    assert said in str(caught.value)


def test_a_description_without_marks_is_named_by_its_file(environment: Environments) -> None:
    with pytest.raises(InputError) as caught:
        wheels.abi_wheels(shaped(environment, ATTENTION, channel="cpu"))
    assert str(caught.value).startswith("services/seedvr/service.yaml: flash-attn==2.8.3: ")


def test_the_place_is_the_pin_s_own_line_in_a_description_as_people_write_it() -> None:
    path = "services/seedvr/service.yaml"
    text = (ROOT / path).read_text(encoding="utf-8").replace("flash-attn==2.8.3", "flash-attn==2.8.99")
    line = next(n for n, one in enumerate(text.splitlines(), start=1) if "- flash-attn==2.8.99" in one)
    (env,) = environments.environments(read.services({path: text}))
    with pytest.raises(
        InputError, match=rf"^{re.escape(path)}:{line}:\d+: flash-attn==2\.8\.99: .*What makes one: "
    ):
        wheels.abi_wheels(env)


def test_a_resolution_is_asked_for_the_wheel_s_wants_and_not_for_the_wheel(environment: Environments) -> None:
    env = shaped(environment, ATTENTION, ONE)
    assert uv_project.resolution_pins(env, wheels.abi_wheels(env)) == (
        "torch==2.7.1", "torchvision==0.22.1", "torchaudio==2.7.1", "a==1", "einops",
    )  # fmt: skip
    assert uv_project.resolution_pins(env, {})[3:] == (FLASH, "a==1")


# --- layers ----------------------------------------------------------------------------------------------------------


def test_a_base_s_torch_has_no_layers_of_its_own(environment: Environments) -> None:
    assert lock_layers.layer_names(shaped(environment, ATTENTION, ONE)) == ("01-attention", "02-one")
    assert lock_layers.layer_names(shaped(environment, ATTENTION, ONE, origin="index")) == (
        "00-torch", "01-torch-deps", "02-attention", "03-one",
    )  # fmt: skip
    assert lock_layers.layer_names(shaped(environment)) == ()


def test_nothing_of_torch_is_installed_over_a_base_s(environment: Environments, artifact: Artifacts) -> None:
    lock = locked(shaped(environment, ATTENTION, ONE, TWO), resolution(artifact))
    assert contents(lock) == {
        "01-attention": ["flash-attn"],
        "02-one": ["a", "einops", "filelock"],
        "03-two": ["b"],
    }
    assert lock.given
    assert [(one.name, one.version) for one in lock.given.packages] == [
        ("torch", "2.7.1+cu126"), ("torchaudio", "2.7.1+cu126"), ("torchvision", "0.22.1+cu126"),
    ]  # fmt: skip
    assert (lock.given.name, lock.given.origin, lock.given.file) == ("00-given", "cu126", "00-given.txt")
    assert {"torch", "triton", "nvidia-cudnn-cu12"} & {*lock.packages} == set()
    assert {"torch", "torchvision", "torchaudio"} <= {*lock.all}


def test_an_index_s_torch_is_installed_and_nothing_is_given(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = locked(shaped(environment, ATTENTION, ONE, origin="index"), resolution(artifact))
    assert lock.given is None
    assert contents(lock) == {
        "00-torch": ["torch", "torchaudio", "torchvision"],
        "01-torch-deps": ["b", "nvidia-cudnn-cu12", "triton"],
        "02-attention": ["flash-attn"],
        "03-one": ["a", "einops", "filelock"],
    }


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_wheel_with_an_abi_is_alone_in_its_layer_with_its_own_origin(
    environment: Environments, artifact: Artifacts, position: int
) -> None:
    layers = [ONE, TWO]
    layers.insert(position, ATTENTION)
    lock = locked(shaped(environment, *layers), resolution(artifact))
    assert [one.origin for one in lock.layers if one.name.endswith("-attention")] == ["flash-attn"]
    assert {one.origin for one in lock.layers if not one.name.endswith("-attention")} == {"pypi"}
    (attention,) = [one for one in lock.layers if one.name.endswith("-attention")]
    assert [(p.name, p.filename, p.sha256) for p in attention.packages] == [("flash-attn", WHEEL, DIGEST)]
    (home,) = [name for name, held in contents(lock).items() if "einops" in held]
    assert home.endswith(("-one", "-two"))


def test_what_a_service_declares_stays_where_it_is_declared(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE, layer("restoration", "einops==0.8.1"))
    lock = locked(env, resolution(artifact))
    assert contents(lock)["03-restoration"] == ["einops"]
    assert contents(lock)["02-one"] == ["a", "filelock"]


def test_optional_layers_keep_their_word(environment: Environments, artifact: Artifacts) -> None:
    env = shaped(environment, layer("attention", FLASH, optional=True), ONE, replace(TWO, optional=True))
    lock = locked(env, resolution(artifact))
    assert [(one.name, one.optional) for one in lock.layers] == [
        ("01-attention", True), ("02-one", False), ("03-two", True),
    ]  # fmt: skip
    assert [step.optional for step in plan.steps(lock)] == [True, False, True]
    found: Any = plan.expectations(env, lock)
    assert found["optional"] == {"b": "1", "flash-attn": "2.8.3"}
    assert {*found["distributions"]} == {"a", "einops", "filelock"}


@pytest.mark.parametrize("optional_first", [True, False])
def test_what_must_be_there_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts, *, optional_first: bool
) -> None:
    """A failed optional layer takes nothing from the others: what both want is installed with the one that must be."""
    layers = [layer("extras", "a==1", optional=True), TWO]
    env = shaped(environment, *(layers if optional_first else layers[::-1]))
    shared = [
        artifact("shared", by=("a", "b")),
        artifact("below", by=("shared",)),
        artifact("own", by=("a",)),
    ]
    lock = locked(env, resolution(artifact, *shared))
    held = contents(lock)
    required, optional = (next(n for n in held if n.endswith(end)) for end in ("-two", "-extras"))
    assert {"shared", "below"} <= {*held[required]}
    assert "own" in held[optional]


def test_what_a_wheel_with_an_abi_wants_is_in_no_layer_that_may_fail(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, replace(ONE, optional=True), TWO)
    assert "einops" in contents(locked(env, resolution(artifact)))["03-two"]


def test_without_a_layer_from_pypi_nothing_is_put_beside_the_wheel(
    environment: Environments, artifact: Artifacts
) -> None:
    """A layer has one origin: what the wheel wants goes with what torch wants, or the description is refused."""
    packages = [one for one in resolution(artifact) if one.name not in {"a", "b"}]
    index = shaped(environment, ATTENTION, origin="index")
    assert contents(locked(index, packages))["01-torch-deps"] == [
        "einops", "filelock", "nvidia-cudnn-cu12", "triton",
    ]  # fmt: skip
    with pytest.raises(InputError, match="flash-attn"):
        locked(shaped(environment, ATTENTION), packages)


# --- what an installer is given --------------------------------------------------------------------------------------


@pytest.fixture
def wheel_layer(environment: Environments, artifact: Artifacts) -> LayerLock:
    return locked(shaped(environment, ATTENTION, ONE), resolution(artifact)).layers[0]


def test_a_file_of_no_index_is_named_by_the_variable_of_its_place(wheel_layer: LayerLock) -> None:
    file = WHEEL.replace("+", "%2B")
    assert export.installable(wheel_layer) == (
        f"flash-attn @ ${{TORCHPIN_MIRROR_FLASH_ATTN}}/{file} --hash=sha256:{DIGEST}\n"
    )


def test_a_layer_of_an_index_is_given_as_plain_pins(environment: Environments, artifact: Artifacts) -> None:
    (_, one) = locked(shaped(environment, ATTENTION, ONE), resolution(artifact)).layers
    assert export.installable(one) == file_format.installable(one)
    assert "@" not in export.installable(one)


def test_the_step_of_a_wheel_with_an_abi_knows_its_release_and_no_index(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = locked(shaped(environment, ATTENTION, ONE), resolution(artifact))
    assert plan.steps(lock) == (
        plan.Step(
            file="01-attention.txt", origin="flash-attn", index=None, mirror="TORCHPIN_MIRROR_FLASH_ATTN",
            optional=False, builds=False, release=RELEASE,
        ),
        plan.Step(
            file="02-one.txt", origin="pypi", index=None, mirror="TORCHPIN_MIRROR_PYPI", optional=False, builds=False,
        ),
    )  # fmt: skip


def test_the_context_holds_nothing_that_the_base_gives(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE)
    lock = locked(env, resolution(artifact))
    found = plan.context(env, lock, runtime={}, smoke="")
    assert sorted(found.files) == ["expect.json", "layers/01-attention.txt", "layers/02-one.txt", "smoke.py"]
    assert not [
        name for name, text in found.files.items() if name.startswith("layers/") and "torch==" in text
    ]


# --- what the probe must find ----------------------------------------------------------------------------------------


def test_what_is_inherited_is_expected_and_is_no_distribution_of_the_venv(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE)
    found: Any = plan.expectations(env, locked(env, resolution(artifact)))
    assert found["inherited"] == {
        "torch": "2.7.1+cu126", "torchaudio": "2.7.1+cu126", "torchvision": "0.22.1+cu126",
    }  # fmt: skip
    assert found["distributions"] == {
        "a": "1", "einops": "0.8.1", "filelock": "4.2.11", "flash-attn": "2.8.3",
    }  # fmt: skip
    assert found["torch"]["version"] == "2.7.1+cu126"
    assert found["torch"]["cuda"] == "12.6"
    assert found["python"] == "3.11"


def test_an_index_s_torch_is_inherited_from_nowhere(environment: Environments, artifact: Artifacts) -> None:
    env = shaped(environment, ATTENTION, ONE, origin="index")
    found: Any = plan.expectations(env, locked(env, resolution(artifact)))
    assert found["inherited"] == {}
    assert found["distributions"]["torch"] == "2.7.1+cu126"


# --- what a lock answers ---------------------------------------------------------------------------------------------


def stale(env: Environment, lock: Lock) -> list[str]:
    return [file for file, _, _ in lock_layers.stale(env, lock)]


def test_a_fresh_lock_of_these_shapes_is_not_stale(environment: Environments, artifact: Artifacts) -> None:
    for origin in ("base", "index"):
        env = shaped(environment, ATTENTION, ONE, TWO, origin=origin)
        assert stale(env, locked(env, resolution(artifact))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"torch": Torch(version=Version("2.7.0"), companions=FAMILY, origin="base")}, ["01-attention.txt", "00-given.txt"]),
        ({"torch": Torch(version=Version("2.7.1"), companions={}, origin="base")}, ["00-given.txt"]),
        ({"channel": "cu128"}, ["01-attention.txt", "00-given.txt"]),
        ({"python": Version("3.12")}, ["01-attention.txt", "02-one.txt", "00-given.txt"]),
        ({"layers": (ATTENTION, layer("one", "a==2"))}, ["02-one.txt"]),
        ({"layers": (layer("attention", "flash-attn==2.8.2"), ONE)}, ["01-attention.txt"]),
        ({"layers": (layer("attention", FLASH, optional=True), ONE)}, ["01-attention.txt"]),
        ({"base": Base(image="pytorch/pytorch:other"), "summary": "other"}, []),
    ],
    ids=["torch", "companions", "channel", "Python", "a pin", "the wheel", "optional", "the image's tag"],
)  # fmt: skip
def test_a_layer_is_stale_exactly_when_its_own_part_changes(
    environment: Environments, artifact: Artifacts, changes: dict[str, Any], expected: list[str]
) -> None:
    lock = locked(shaped(environment, ATTENTION, ONE), resolution(artifact))
    after = shaped(environment, **{"layers": (ATTENTION, ONE), **changes})
    assert stale(after, lock) == expected


def test_a_lock_of_another_origin_is_stale_in_both_directions(
    environment: Environments, artifact: Artifacts
) -> None:
    base = shaped(environment, ATTENTION, ONE)
    index = shaped(environment, ATTENTION, ONE, origin="index")
    assert "00-given.txt" in stale(base, locked(index, resolution(artifact)))
    assert {"00-given.txt", "00-torch.txt"} <= {*stale(index, locked(base, resolution(artifact)))}
    assert stale(base, replace(locked(base, resolution(artifact)), given=None)) == ["00-given.txt"]


# --- the text of a lock ----------------------------------------------------------------------------------------------


def test_a_lock_with_a_given_torch_reads_back_as_it_was_written(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = locked(shaped(environment, ATTENTION, ONE), resolution(artifact))
    texts = file_format.files(lock)
    assert sorted(texts) == ["00-given.txt", "01-attention.txt", "02-one.txt"]
    found = file_format.parse("lockfiles/seedvr-gpu", texts)
    assert found == lock
    assert file_format.files(found) == texts
    assert "://" not in "".join(texts.values())
    assert f"{FLASH} --hash=sha256:{DIGEST}  # {WHEEL}, size not published, for seedvr\n" in texts[
        "01-attention.txt"
    ]  # fmt: skip


# --- Dockerfiles -----------------------------------------------------------------------------------------------------


def test_a_base_s_torch_is_seen_from_a_venv_that_installs_none(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE)
    found = dockerfile(env, locked(env, resolution(artifact)))
    (venv,) = [line for line in found if " venv " in line]
    assert (
        'uv venv --no-project --no-python-downloads --system-site-packages --python "$(command -v python3)" /opt/venv'
        in venv
    )
    installs = [line for line in found if "pip install" in line]
    assert [re.findall(r"--requirements \S+/(\S+)", line) for line in installs] == [
        ["01-attention.txt"], ["02-one.txt"],
    ]  # fmt: skip
    assert not [line for line in found if "whl/cu" in line or "00-" in line or "torch-deps" in line]
    assert any(line.endswith('org.opencontainers.image.version="2.7.1+cu126" io.torchpin.description="services/seedvr/service.yaml"') for line in found)  # fmt: skip


def test_an_index_s_torch_is_installed_into_a_venv_of_its_own(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE, origin="index")
    found = dockerfile(env, locked(env, resolution(artifact)))
    (venv,) = [line for line in found if " venv " in line]
    assert "--system-site-packages" not in venv
    assert "--python 3.11.9 /opt/venv" in venv


def test_an_abi_wheel_s_address_is_its_release_s_or_its_mirror_s_and_is_not_kept(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, ATTENTION, ONE)
    (line,) = [
        one for one in dockerfile(env, locked(env, resolution(artifact))) if "01-attention.txt --hash" in one
        or "--requirements /run/torchpin/layers/01-attention.txt" in one
    ]  # fmt: skip
    assert f'export TORCHPIN_MIRROR_FLASH_ATTN="${{TORCHPIN_MIRROR_FLASH_ATTN:-{RELEASE}}}" &&' in line
    assert "--no-deps --require-hashes --no-build " in line
    assert "UV_DEFAULT_INDEX" not in line
    assert line.endswith("rm -f /opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json")


def test_an_optional_abi_wheel_that_fails_leaves_the_image_without_it(
    environment: Environments, artifact: Artifacts
) -> None:
    env = shaped(environment, layer("attention", FLASH, optional=True), ONE)
    found = dockerfile(env, locked(env, resolution(artifact)))
    (line,) = [one for one in found if "--requirements /run/torchpin/layers/01-attention.txt" in one]
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
    made = service(variants=variants, base=Base(image="nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"))
    found = {}
    for env in environments.environments((made,)):
        local = "" if env.variant.platform == "linux/arm64" else f"+{env.variant.channel}"
        packages = [artifact(name, f"{version}{local}") for name, version in made.torch.family.items()]
        packages.append(artifact("tqdm", "4.66.5"))
        (found[env.name], *_) = [
            line for line in dockerfile(env, locked(env, packages)) if line.startswith("FROM ")
        ]
    assert found == {
        "lora-gpu": "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
        "lora-cpu": f"FROM ubuntu:22.04@{digest}",
        "lora-arm64": "FROM python:3.10-slim-bookworm",
    }


# --- the committed locks ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["seedvr", "videogen"])
def committed(request: pytest.FixtureRequest) -> tuple[Environment, Lock]:
    path = f"services/{request.param}/service.yaml"
    services = read.services({path: (ROOT / path).read_text(encoding="utf-8")})
    (env,) = environments.environments(services)
    folder = ROOT / "lockfiles" / env.name
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.txt")}
    return env, file_format.parse(f"lockfiles/{env.name}", texts)


def test_a_committed_lock_gives_torch_and_installs_none(committed: tuple[Environment, Lock]) -> None:
    env, lock = committed
    assert lock.given
    assert {p.name: p.version for p in lock.given.packages} == {
        name: f"{version}+{env.variant.channel}" for name, version in env.service.torch.family.items()
    }
    names = {p.name for one in lock.layers for p in one.packages}
    assert not {*env.service.torch.family} & names
    assert not [name for name in names if name.startswith("nvidia-") or name in {"triton", "pytorch-triton"}]
    assert [one.name for one in lock.layers] == [*lock_layers.layer_names(env)]
    assert not {lock_layers.TORCH, lock_layers.TORCH_DEPS} & {one.name for one in lock.layers}
    assert sorted(p.name for p in lock.given.packages) == sorted(plan.expectations(env, lock)["inherited"])  # type: ignore[call-overload]


def test_a_committed_lock_takes_flash_attn_first_by_the_facts(committed: tuple[Environment, Lock]) -> None:
    env, lock = committed
    (wheel,) = wheels.abi_wheels(env).values()
    first = lock.layers[0]
    assert first.origin == "flash-attn"
    assert [(p.name, p.filename, p.sha256) for p in first.packages] == [
        ("flash-attn", wheel.filename, wheel.sha256)
    ]
    assert "einops" in lock.packages
    assert {one.origin for one in lock.layers[1:]} == {"pypi"}


def test_nothing_that_a_committed_lock_must_install_hangs_on_an_optional_layer(
    committed: tuple[Environment, Lock],
) -> None:
    _, lock = committed
    home = {p.name: one for one in lock.layers for p in one.packages}
    wrong = [
        f"{p.name} in {one.name}, wanted by {parent}"
        for one in lock.layers
        if one.optional
        for p in one.packages
        for parent in p.wanted_by
        if parent in home and not home[parent].optional
    ]
    assert wrong == []
