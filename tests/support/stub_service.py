"""A service of three packages, and the stubs of them on two indexes: a channel, and one in PyPI's place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.lab.stub_wheels import build_wheel, index_file
from torchpin.model import Base, Environment, Layer, Service, Torch, Variant

if TYPE_CHECKING:
    from torchpin.tools.index_server import File


def stub(name: str, version: str, *requires: str) -> File:
    return index_file(*build_wheel(name, version, requires=requires, modules={f"{name}.py": ""}))


CHANNELS = {
    "cpu": {"torch": [stub("torch", "2.5.1+cpu", "sympy")]},
    "pypi": {
        "torch": [stub("torch", "2.5.1", "sympy")],
        "sympy": [stub("sympy", "1.13.1"), stub("sympy", "1.14.0"), stub("sympy", "1.15.0rc1")],
        "api": [stub("api", "1.0", "sympy>=1.13")],
    },
}


def environment(*pins: str) -> Environment:
    variant = Variant(name="cpu", channel="cpu", platform="linux/amd64")
    service = Service(
        name="cropper",
        summary="",
        python=Version("3.12.11"),
        base=Base(image="ubuntu:22.04"),
        torch=Torch(version=Version("2.5.1"), companions=MappingProxyType({})),
        variants=(variant,),
        layers=(Layer(name="model", packages=tuple(map(Requirement, pins or ("api==1.0",)))),),
    )
    return Environment(service=service, variant=variant)
