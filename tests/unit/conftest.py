"""Unit tests touch no process and no network; hypothesis draws the same examples every time."""

from __future__ import annotations

import socket
import subprocess
import urllib.request
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import Artifact, Base, Environment, Layer, Lock, Service, Torch, Variant, WheelContents
from torchpin.tools import kept_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

settings.register_profile(
    "unit",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")


@pytest.fixture(autouse=True, scope="module")
def forbid_processes_and_network() -> Iterator[None]:
    """Of the module, not of the test: hypothesis wants no fixture that ends with a test."""

    def refused(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError("unit tests touch no process and no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", refused)
        patch.setattr(subprocess, "run", refused)
        patch.setattr(socket.socket, "connect", refused)
        patch.setattr(socket.socket, "connect_ex", refused)
        patch.setattr(urllib.request, "urlopen", refused)
        yield


@pytest.fixture(autouse=True, scope="session")
def keep_no_answers() -> Iterator[None]:
    """Tests change facts and functions in this process, which no digest of files can tell; those of `kept` have a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_answers, "user_key", lambda: b"")
        yield


def _artifact(name: str, version: str = "1.0", *, by: tuple[str, ...] = (), **changes: Any) -> Artifact:
    values = {
        "filename": f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
        "sha256": "ab" * 32,
        "size": 10,
    }
    return Artifact(name=name, version=version, required_by=by, **{**values, **changes})


def _service(**changes: Any) -> Service:
    values: dict[str, Any] = {
        "name": "lora",
        "summary": "Training",
        "python": Version("3.10.14"),
        "base": Base(image="nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
        "torch": Torch(
            version=Version("2.5.1"), companions=MappingProxyType({"torchvision": Version("0.20.1")})
        ),
        "variants": (Variant(name="gpu", channel="cu121", platform="linux/amd64"),),
        "layers": (Layer(name="training", packages=(Requirement("tqdm==4.66.5"),)),),
    }
    return Service(**{**values, **changes})


def _environment(
    *, variant: str = "gpu", channel: str = "cu121", platform: str = "linux/amd64", **changes: Any
) -> Environment:
    described_variant = Variant(name=variant, channel=channel, platform=platform)
    return Environment(service=_service(variants=(described_variant,), **changes), variant=described_variant)


def _lock(env: Environment | None = None, *packages: Artifact, build: tuple[Artifact, ...] = ()) -> Lock:
    """The lock of an environment: torch, a CUDA library, tqdm, and what is added or replaced."""
    env = env or _environment()
    channel = env.variant.channel
    local = "" if channel == "pypi" or env.variant.platform != "linux/amd64" else f"+{channel}"
    default_packages = (
        _artifact("torch", f"2.5.1{local}", by=(env.service.name,)),
        _artifact("torchvision", f"0.20.1{local}", by=(env.service.name,)),
        _artifact("nvidia-cudnn-cu12", "9.1.0.70", by=("torch",)),
        _artifact("tqdm", "4.66.5", by=(env.service.name,)),
    )
    packages_by_name = {package.name: package for package in (*default_packages, *packages)}
    return Lock(
        layers=split_layers(env, list(packages_by_name.values()), uv="0.13.9")[0],
        build=layer_lock(env, "build", build, uv="0.13.9") if build else None,
        wheels=tuple(
            WheelContents(name=name, version=package.version, sha256=package.sha256, installs=(name,))
            for name, package in sorted(packages_by_name.items())
        ),
    )


@pytest.fixture(scope="session")
def artifact() -> Callable[..., Artifact]:
    return _artifact


@pytest.fixture(scope="session")
def service() -> Callable[..., Service]:
    return _service


@pytest.fixture(scope="session")
def environment() -> Callable[..., Environment]:
    return _environment


@pytest.fixture(scope="session")
def lock() -> Callable[..., Lock]:
    return _lock
