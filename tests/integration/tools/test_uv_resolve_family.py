"""Torch's family from its channel, whoever requires it: real uv on two indexes of stubs, one of them in PyPI's place."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.compat.recommendations import compute_deviations
from torchpin.errors import InputError
from torchpin.lab.stub_wheels import build_wheel, index_file
from torchpin.model import (
    Base,
    BuildStage,
    BuiltWheel,
    Environment,
    Layer,
    Lock,
    Override,
    Service,
    Settings,
    Torch,
    Variant,
)
from torchpin.tools import index_server, uv_resolve
from torchpin.tools.index_server import File

if TYPE_CHECKING:
    from collections.abc import Iterator


TORCH, PIN = "2.5.1", ("torch==2.5.1",)


def stub(name: str, version: str, *requires: str) -> File:
    return index_file(*build_wheel(name, version, requires=requires, modules={f"{name}.py": ""}))


def archive(name: str, version: str, setup: str) -> File:
    """A source archive whose metadata only its setup.py gives."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        texts = {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"}
        for path, text in texts.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    content = buffer.getvalue()
    return File(filename=f"{name}-{version}.tar.gz", sha256=sha256(content).hexdigest(), content=content)


CHANNELS = {
    "cpu": {
        "torch": [stub("torch", "2.5.1+cpu")],
        "torchvision": [stub("torchvision", "0.20.1+cpu", *PIN), stub("torchvision", "0.21.0+cpu", "torch==2.6.0")],
        "torchaudio": [stub("torchaudio", "2.5.1+cpu", *PIN)],
    },
    "pypi": {
        "torch": [stub("torch", "2.5.1"), stub("torch", "2.6.0")],
        "torchvision": [stub("torchvision", "0.20.1", *PIN), stub("torchvision", "0.21.0", "torch==2.6.0")],
        "torchaudio": [stub("torchaudio", "2.5.1", *PIN), stub("torchaudio", "2.11.0")],
        "torchtext": [stub("torchtext", "0.18.0", "torch>=2.3.0")],
        "pinner": [stub("pinner", "1.0", "helper==1.0")],
        "helper": [stub("helper", "1.0"), stub("helper", "2.0")],
        "kernels": [archive("kernels", "1.0", "import torch_of_the_image")],
        "pip": [stub("pip", "25.0")],
        "timm": [stub("timm", "1.0.22", "torch", "torchvision")],
        "speechbrain": [stub("speechbrain", "1.0.3", "torch", "torchaudio", "torchtext")],
    },
}  # fmt: skip


def environment(*pins: str, origin: str = "index", **companions: str) -> Environment:
    variant = Variant(name="cpu", channel="cpu", platform="linux/amd64")
    versions = MappingProxyType({name: Version(version) for name, version in companions.items()})
    service = Service(
        name="cropper",
        summary="",
        python=Version("3.12.11"),
        base=Base(image="ubuntu:22.04"),
        torch=Torch(version=Version(TORCH), companions=versions, origin=origin),  # type: ignore[arg-type]
        variants=(variant,),
        layers=(Layer(name="model", packages=tuple(map(Requirement, pins))),),
    )
    return Environment(service=service, variant=variant)


@contextmanager
def indexes() -> Iterator[tuple[str, Settings]]:
    with index_server.serve(CHANNELS) as base:
        yield f"{base}/cpu/", replace(Settings(), mirrors=MappingProxyType({"pypi": f"{base}/pypi/"}))


def resolve(env: Environment, current: Lock | None = None) -> Lock:
    with indexes() as (index, settings):
        return uv_resolve.resolve(env, settings, index=index, current=current, published={})


def layers(lock: Lock) -> dict[str, dict[str, str]]:
    return {
        layer.name: {package.name: package.version for package in layer.packages} for layer in lock.layers
    }


def test_what_packages_bring_of_the_family_comes_from_the_channel_and_stays() -> None:
    env = environment("timm==1.0.22", "speechbrain==1.0.3")
    lock = resolve(env)
    assert layers(lock) == {
        "00-torch": {"torch": "2.5.1+cpu", "torchaudio": "2.5.1+cpu", "torchvision": "0.20.1+cpu"},
        "01-torch-deps": {},
        "02-model": {"speechbrain": "1.0.3", "timm": "1.0.22", "torchtext": "0.18.0"},
    }
    assert lock.packages["torchvision"].required_by == ("timm",)
    assert lock.packages["torchaudio"].required_by == ("speechbrain",)
    assert resolve(env, lock) == lock


def test_what_a_layer_declares_of_the_family_comes_from_the_channel() -> None:
    lock = resolve(environment("torchvision==0.20.1"))
    assert layers(lock)["00-torch"] == {"torch": "2.5.1+cpu", "torchvision": "0.20.1+cpu"}
    assert lock.packages["torchvision"].required_by == ("cropper",)


def test_an_override_holds_against_an_exact_pin_and_is_read_beside_what_it_deviates_from() -> None:
    override = Override(package=Requirement("helper==2.0"), because="a fix", evidence="an issue")
    plain = environment("pinner==1.0")
    env = replace(plain, service=replace(plain.service, overrides=(override,)))
    before = resolve(plain)
    lock = resolve(env, before)
    assert (before.packages["helper"].version, lock.packages["helper"].version) == ("1.0", "2.0")
    (deviation,) = compute_deviations(env, lock)
    assert deviation.recommendations == (("pinner 1.0", "==1.0"),)
    assert resolve(env, lock) == lock


def test_an_archive_that_needs_torch_to_be_built_is_locked_unread() -> None:
    stage = BuildStage(
        base=Base(image="ubuntu:22.04"), wheels=(BuiltWheel(package=Requirement("kernels==1.0")),)
    )
    plain = environment()
    lock = resolve(replace(plain, service=replace(plain.service, build=stage)))
    assert lock.stage
    assert {package.filename for package in lock.stage.packages if package.is_source} == {
        "kernels-1.0.tar.gz"
    }


def test_a_base_that_may_have_it_is_told_to_say_so() -> None:
    with pytest.raises(InputError, match=r"timm requires torchvision, .*name it under `torch.companions`"):
        resolve(environment("timm==1.0.22", origin="base"))
    lock = resolve(environment("timm==1.0.22", origin="base", torchvision="0.20.1"))
    assert lock.provided
    assert {package.name for package in lock.provided.packages} == {"torch", "torchvision"}
