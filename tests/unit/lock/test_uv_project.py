"""The uv project of a resolution: its index, sources and requirements."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from packaging.version import Version

from support.abi_wheels import ATTENTION, FLASH, LAYER_ONE, make_environment
from support.addresses import CU121
from support.layers import make_layer
from torchpin.compat.wheels import abi_wheels
from torchpin.lock import uv_project
from torchpin.model import Torch

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from support.fixture_types import Environments


def test_a_project_takes_the_family_from_one_explicit_index(environment: Environments) -> None:
    env = environment(
        layers=(make_layer("one", "diffusers[torch]==0.32.1"), make_layer("two", "toml==0.10.2"))
    )
    assert tomllib.loads(uv_project.render_uv_project(env, index=CU121)) == {
        "project": {
            "name": "lora",
            "version": "0",
            "requires-python": "==3.10.*",
            "dependencies": [
                "torch==2.5.1",
                "torchvision==0.20.1",
                "diffusers[torch]==0.32.1",
                "toml==0.10.2",
            ],
        },
        "tool": {
            "uv": {
                "index": [{"name": "cu121", "url": CU121, "explicit": True}],
                "sources": {"torch": {"index": "cu121"}, "torchvision": {"index": "cu121"}},
            }
        },
    }


def test_a_member_of_the_family_comes_from_the_index_whoever_requires_it(environment: Environments) -> None:
    layers = (make_layer("one", "torchaudio==2.5.1", "timm==1.0.22"), make_layer("two", "torchtext==0.18.0"))
    env = environment(layers=layers, torch=Torch(version=Version("2.5.1"), companions={}))
    project = tomllib.loads(uv_project.render_uv_project(env, index=CU121, members={"torchvision": "0.20.1"}))
    assert project["project"]["dependencies"] == [
        "torch==2.5.1", "torchaudio==2.5.1", "timm==1.0.22", "torchtext==0.18.0", "torchvision==0.20.1"
    ]  # fmt: skip
    assert project["tool"]["uv"]["sources"].keys() == {"torch", "torchaudio", "torchvision"}


def test_a_project_without_an_index_takes_all_from_pypi(environment: Environments) -> None:
    project = tomllib.loads(uv_project.render_uv_project(environment(channel="pypi"), index=None))
    assert project.keys() == {"project"}


def test_pins_replace_what_is_declared(environment: Environments) -> None:
    project = tomllib.loads(
        uv_project.render_uv_project(environment(), index=None, pins=("setuptools", "wheel"))
    )
    assert project["project"]["dependencies"] == ["setuptools", "wheel"]


def test_a_mirror_s_address_is_quoted(environment: Environments) -> None:
    address = 'http://user:p"a\\ss@127.0.0.1/whl'
    project = tomllib.loads(uv_project.render_uv_project(environment(), index=address))
    assert project["tool"]["uv"]["index"][0]["url"] == address


def test_a_companion_with_a_dash_is_a_plain_key(environment: Environments) -> None:
    torch = Torch(version=Version("2.5.1"), companions={"torch-xla": Version("2.5.1")})
    project = tomllib.loads(uv_project.render_uv_project(environment(torch=torch), index=CU121))
    assert [*project["tool"]["uv"]["sources"]] == ["torch", "torch-xla"]


def test_a_resolution_is_asked_for_the_wheel_s_wants_and_not_for_the_wheel(environment: Environments) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    assert uv_project.resolution_requirements(env, abi_wheels(env)) == (
        "torch==2.7.1", "torchvision==0.22.1", "torchaudio==2.7.1", "a==1", "einops",
    )  # fmt: skip
    assert uv_project.resolution_requirements(env, {})[3:] == (FLASH, "a==1")


def test_a_service_that_is_called_like_a_package_gives_its_project_another_name() -> None:
    assert uv_project.project_name("vllm", ["torch==2.7.1", "VLLM[audio]==0.10.0"]) == "vllm-service"
    assert uv_project.project_name("lora", ["torch==2.7.1", "lora-tools==1"]) == "lora"
