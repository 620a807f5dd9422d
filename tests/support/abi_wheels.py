"""Environments with a wheel that has an ABI in its name, their resolutions and locks."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from support.layers import make_layer
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Environment, Layer, Lock, Torch

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments

RELEASE = "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3"
WHEEL = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
DIGEST = "cd1a45ebfc1731a13e55ad68e0c9ad92390ddfffba306f9222be67c6d5a805af"
FLASH = "flash-attn==2.8.3"
UV = "0.13.9"
FAMILY = MappingProxyType({"torchvision": Version("0.22.1"), "torchaudio": Version("2.7.1")})
ATTENTION, LAYER_ONE, LAYER_TWO = (
    make_layer("attention", FLASH),
    make_layer("one", "a==1"),
    make_layer("two", "b==1"),
)


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
    layers, provided = split_layers(env, packages, uv=UV)
    return Lock(layers=layers, provided=provided)


def layer_contents(lock: Lock) -> dict[str, list[str]]:
    return {layer_lock.name: [package.name for package in layer_lock.packages] for layer_lock in lock.layers}
