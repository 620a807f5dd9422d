"""Locks whose wheels were read: what is in them, by package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from support.dependencies import make_lock
from torchpin.model import SharedFiles

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

    Wheels = dict[str, dict[str, Any]]

# Requires-Dist of the PyPI wheels that name a CUDA major, as a lock keeps them
ONNXRUNTIME_GPU = {
    "1.22.0": ("nvidia-cuda-nvrtc-cu12~=12.0", "nvidia-cuda-runtime-cu12~=12.0", "nvidia-cufft-cu12~=11.0"),
    "1.27.0": ("nvidia-cuda-nvrtc-cu13~=13.0", "nvidia-cuda-runtime-cu13~=13.0", "nvidia-cufft-cu13~=12.0"),
}
FAISS_GPU_CU12 = ("nvidia-cuda-runtime-cu12>=12.1.105", "nvidia-cublas-cu12>=12.1.3.1")
BITSANDBYTES = {
    "0.46.0": ("11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6", "12.8"),
    "0.46.1": ("11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6", "12.8", "12.9"),
    "0.50.2": ("11.8", "12.1", "12.4", "12.6", "12.8", "13.0", "13.2"),
}


def in_extra(extra: str, *requirements: str) -> tuple[str, ...]:
    """Requirements as those of an extra."""
    return tuple(f'{requirement}; extra == "{extra}"' for requirement in requirements)


def shared(package: str, count: int = 4, example: str = "onnxruntime/__init__.py") -> tuple[SharedFiles, ...]:
    return (SharedFiles(package=package, count=count, example=example),)


def with_wheels(lock: Lock, **wheels: dict[str, Any]) -> Lock:
    """A lock with other contents of some wheels; `_` stands for the hyphen of a package's name."""
    fields = {name.replace("_", "-"): values for name, values in wheels.items()}
    assert fields.keys() <= {wheel.name for wheel in lock.wheels}
    return replace(lock, wheels=tuple(replace(wheel, **fields.get(wheel.name, {})) for wheel in lock.wheels))


class WheelLocks:
    """Builds locks of an environment's pins and of transitive packages, with the contents of wheels."""

    def __init__(self, environment: Environments, lock: Locks, artifact: Artifacts) -> None:
        self.environment, self.lock, self.artifact = environment, lock, artifact

    def __call__(self, env: Environment, *transitive: tuple[str, str], **wheels: dict[str, Any]) -> Lock:
        return with_wheels(make_lock(env, self.lock, self.artifact, *transitive), **wheels)
