"""The best wheel for a Python and a platform, and the wheel of a pin with an ABI in its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.abi_wheels import ATTENTION, DIGEST, FLASH, LAYER_ONE, RELEASE, WHEEL, make_environment
from support.layers import make_layer
from torchpin import facts
from torchpin.compat.wheels import abi_pin, abi_wheels, best_wheel
from torchpin.description import read
from torchpin.description.environments import MACHINES, select_environments
from torchpin.errors import InputError
from torchpin.model import Artifact, Position, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments

ROOT = Path(__file__).parents[3]
CP310 = Version("3.10.14")


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


def test_a_wheel_with_an_abi_is_told_by_its_name_however_it_is_spelled() -> None:
    assert str(abi_pin(ATTENTION)) == FLASH
    assert str(abi_pin(make_layer("attention", "Flash_Attn==2.8.3"))) == "Flash_Attn==2.8.3"
    assert abi_pin(LAYER_ONE) is None
    assert abi_pin(make_layer("empty")) is None


@pytest.mark.parametrize("pins", [(FLASH, "einops==0.8.1"), ("einops==0.8.1", FLASH)])
def test_beside_a_wheel_with_an_abi_nothing_else_may_stand(pins: tuple[str, ...]) -> None:
    with pytest.raises(
        InputError,
        match=r"layer attention has other packages than flash-attn, .*; give flash-attn a layer of its own",
    ):
        abi_pin(make_layer("attention", *pins))


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
        ({"python": Version("3.14")}, "no wheel for platform linux_x86_64, torch 2.7, cuda 12, python cp314; available: python cp39"),
        ({"platform": "linux/arm64"}, "no wheel for platform linux_aarch64"),
        ({"channel": "cpu"}, "torch 2.7.1 from cpu is not a CUDA build; torch 2.7 with CUDA is on cu118, cu126, cu128"),
        ({"layers": (LAYER_ONE, make_layer("attention", "flash-attn==1.0.9"))}, "no wheel of this version is in the facts"),
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
        InputError,
        match=rf"^{re.escape(path)}:{line}:\d+: flash-attn==2\.8\.99: .*the alternative is a source build: ",
    ):
        abi_wheels(env)
