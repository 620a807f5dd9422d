"""A small service with a lock, written into a folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.lock import file_format
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Environment, Lock, Settings, WheelContents
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.workspace.workspace import Repository

DESCRIPTION = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch: {version: "2.5.1", companions: {torchvision: "0.20.1"}}
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - {name: training, packages: [jinja2==3.1.2, six==1.17.0]}
"""
LOCK = "lockfiles/lora-gpu"


def read_environment(description: str) -> Environment:
    (env,) = select_environments(read.read_services({"services/lora/service.yaml": description}))
    return env


def make_lock(env: Environment, **versions: str) -> Lock:
    locked_versions = {
        "torch": "2.5.1+cu121",
        "torchvision": "0.20.1+cu121",
        "jinja2": "3.1.2",
        "six": "1.17.0",
        **versions,
    }
    packages = [
        Artifact(
            name=name,
            version=version,
            filename=f"{name}-{version}-py3-none-any.whl",
            sha256="ab" * 32,
            size=1000,
            required_by=("lora",),
        )
        for name, version in locked_versions.items()
    ]
    wheels = tuple(
        WheelContents(
            name=package.name, version=package.version, sha256=package.sha256, installs=(package.name,)
        )
        for package in sorted(packages, key=lambda package: package.name)
    )
    return Lock(layers=split_layers(env, packages, uv="0.13.9")[0], wheels=wheels)


def write_service(root: Path, description: str = DESCRIPTION, **versions: str) -> None:
    """The service and its lock, in the working tree."""
    files = file_format.lock_texts(make_lock(read_environment(description), **versions))
    texts = {f"{LOCK}/{name}": text for name, text in files.items()}
    for path, text in {**texts, "services/lora/service.yaml": description}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def open_repository(root: Path, **mirrors: str) -> Repository:
    return replace(workspace.open_repository(root), settings=Settings(mirrors=mirrors))
