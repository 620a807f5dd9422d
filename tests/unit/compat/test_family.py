"""Which packages come from the channel of torch, and which of a base image have to be named companions."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.layers import make_layer
from torchpin.compat.family import channel_names, layer_members, needs_companion
from torchpin.model import Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.model import Environment


def of_base(environment: Environments, channel: str, **companions: str) -> Environment:
    versions = MappingProxyType({name: Version(version) for name, version in companions.items()})
    torch = Torch(version=Version("2.8.0"), companions=versions, origin="base")
    return environment(channel=channel, torch=torch)


@pytest.mark.parametrize(
    ("channel", "names"),
    [
        ("cpu", {"torch", "torchvision", "torchaudio", "fbgemm-gpu"}),
        ("cu130", {"torch", "torchvision", "torchaudio", "fbgemm-gpu"}),
        ("cu132", {"torch", "torchvision", "torchaudio", "fbgemm-gpu"}),  # its page is not recorded
        ("pypi", {"torch", "torchvision"}),  # the declared family alone
    ],
)
def test_the_family_is_a_set_of_names(channel: str, names: set[str], environment: Environments) -> None:
    assert channel_names(environment(channel=channel)) == names


def test_a_companion_comes_from_the_channel_whatever_its_name(environment: Environments) -> None:
    torch = Torch(version=Version("2.3.0"), companions=MappingProxyType({"torchtext": Version("0.18.0")}))
    assert "torchtext" in channel_names(environment(channel="cpu", torch=torch))
    assert "torchtext" not in channel_names(environment(channel="cpu"))


def test_a_package_that_the_page_of_a_channel_lacks_comes_from_pypi(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchpin import facts

    page = facts.index_snapshot("cu121")
    assert page is not None
    packages = {name: files for name, files in page.packages.items() if name != "torchaudio"}
    monkeypatch.setattr(facts, "index_snapshot", lambda _: replace(page, packages=packages))
    assert "torchaudio" not in channel_names(environment())


def test_members_in_layers_have_their_versions(environment: Environments) -> None:
    env = environment(layers=(make_layer("one", "TorchAudio==2.5.1", "tqdm==4.66.5"),))
    assert layer_members(env) == {"torchaudio": "2.5.1"}


def test_a_member_beside_the_torch_of_a_base_has_to_be_a_companion_where_pypi_s_build_is_another(
    environment: Environments,
) -> None:
    assert needs_companion(of_base(environment, "cu126"), "torchvision")
    assert not needs_companion(of_base(environment, "cu128"), "torchvision")  # PyPI's torch 2.8.0 is cu128
    assert not needs_companion(of_base(environment, "cu126", torchvision="0.23.0"), "torchvision")
    assert not needs_companion(of_base(environment, "cu126"), "timm")
    assert not needs_companion(environment(channel="cu126"), "torchvision")
    assert channel_names(of_base(environment, "cu126")) == {"torch"}
