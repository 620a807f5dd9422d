"""The cuDNN that packages load at run time, against those that an environment has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat.measured import nearest_release
from torchpin.compat.pins import cudnn_version
from torchpin.description.environments import cuda_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.compat.pins import Pin
    from torchpin.facts.package_rows import CudaBuild
    from torchpin.model import Environment, Lock

_PACKAGE = re.compile(r"nvidia-cudnn-cu\d+")
_SYSTEM_PACKAGE = re.compile(r"libcudnn(\d+)\b.*")


@dataclass(frozen=True, kw_only=True, slots=True)
class CudnnUse:
    """A package that loads a cuDNN of one major at run time, by its row in the facts."""

    pin: Pin
    cudnn: int
    row: CudaBuild


def cudnn_uses(pins: Mapping[str, Pin]) -> Iterator[CudnnUse]:
    """The pinned packages that load cuDNN and whose metadata do not name it."""
    for name, pin in pins.items():
        row = facts.cuda_build(name, pin.version)
        if row and row.cudnn:
            yield CudnnUse(pin=pin, cudnn=row.cudnn, row=row)


def torch_cudnn(env: Environment) -> int | None:
    """The major of the cuDNN that a CUDA build of torch brings; None: not in the facts.

    All channels of a release for x86_64 have one major, if not one version.
    """
    release = facts.release(str(env.service.torch.version))
    is_cuda = cuda_version(env) is not None and env.variant.platform == "linux/amd64"
    version = cudnn_version(env) or (release.cudnn if release and is_cuda else None)
    return _major(version) if version else None


def loaded_cudnn(env: Environment, lock: Lock | None) -> str | None:
    """The version of the cuDNN that a CUDA build of torch loads: the locked one, else that of the facts; None: not known."""
    locked = lock.packages.items() if lock else ()
    versions = (package.version for name, package in locked if _PACKAGE.fullmatch(name))
    return next(versions, None) or cudnn_version(env)


def other_cudnns(env: Environment, pins: Mapping[str, Pin]) -> dict[int, str]:
    """The cuDNN majors beside torch's own, each with what brings it: a pin, a package of the system, or the base image."""
    providers = {pin.version.major: name for name, pin in pins.items() if _PACKAGE.fullmatch(name)}
    providers |= {
        int(match[1]): name
        for name in (package.partition("=")[0] for package in env.service.apt)
        if (match := _SYSTEM_PACKAGE.fullmatch(name)) is not None
    }
    base = facts.base_image(env.base.image)
    if base and base.cudnn:
        providers[_major(base.cudnn)] = env.base.image
    return providers


def base_is_known(env: Environment) -> bool:
    """Whether the facts tell whether the base image has a cuDNN: images with CUDA that are not NVIDIA's may have one unsaid."""
    base = facts.base_image(env.base.image)
    if base is None:
        return False
    is_plain = base.cuda is None and base.gate_cuda is None and not base.has_torch
    return is_plain or base.cudnn is not None or base.repository.endswith("nvidia/cuda")


def fitting_release(env: Environment, pins: Mapping[str, Pin], use: CudnnUse, major: int) -> Version | None:
    """The nearest release of a package that loads torch's cuDNN, or none, and that the other pins allow."""

    def fits(release: Version) -> bool:
        row = facts.cuda_build(use.pin.name, release)
        return row is not None and row.cudnn in {None, major}

    return nearest_release(env, pins, use.pin.name, fits)


def nearest_torch(cudnn: int, torch: Version) -> str | None:
    """The release of torch nearest to this one that brings a cuDNN of a major; None: none is known."""
    versions = [Version(row.version) for row in facts.releases() if row.cudnn and _major(row.cudnn) == cudnn]
    earlier = [version for version in versions if version < torch]
    later = [version for version in versions if version > torch]
    nearest = max(earlier) if earlier else min(later) if later else None
    return str(nearest) if nearest else None


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def cudnn_number(version: str | None) -> int | None:
    """A cuDNN version as the number that torch reports: 90100 for 9.1.0.70, 8902 for 8.9.2.26."""
    parts = [int(part) for part in (version or "").split(".")[:3] if part.isdigit()]
    if len(parts) != 3:  # noqa: PLR2004 - major, minor, patch
        return None
    major, minor, patch = parts
    return major * (10000 if major >= 9 else 1000) + minor * 100 + patch  # noqa: PLR2004 - CUDNN_VERSION changed with 9
