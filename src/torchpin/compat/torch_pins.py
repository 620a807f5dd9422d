"""What the wheel of a torch build requires of triton and of NVIDIA's libraries, each in one version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.markers import marker_holds
from torchpin.compat.pins import cudnn_version, torch_metadata
from torchpin.compat.recommendations import applicable_requirements
from torchpin.description.environments import MACHINES, cuda_version
from torchpin.facts.rows import cite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.version import Version

    from torchpin.model import Environment


_LINUX_X86_64 = {  # a Python for which all releases have their pins
    "platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11",
    "python_full_version": "3.11.9", "implementation_name": "cpython", "platform_python_implementation": "CPython",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchPins:
    """What a build requires, by normalized name. `complete`: read in its METADATA, so that it requires no other of them."""

    requirements: Mapping[str, Requirement]
    source: str
    complete: bool


def is_torch_pinned(name: str) -> bool:
    """Whether a package is one of those that CUDA builds of torch require in one version, for whatever CUDA major."""
    return name == "triton" or (name.startswith("nvidia-") and _library(name) in _torch_libraries())


def _library(name: str) -> str:
    """The name without its CUDA major: nvidia-cudnn for nvidia-cudnn-cu12."""
    return re.sub(r"-cu\d+$", "", name)


@cache
def _torch_libraries() -> frozenset[str]:
    """NVIDIA's libraries that any recorded METADATA of torch require, without their CUDA major."""
    lines = (line for row in facts.metadata() if row.package == "torch" for line in row.requires_dist)
    names = (re.match(r"nvidia-[a-z0-9-]+", line) for line in lines)
    return frozenset(_library(name[0]) for name in names if name)


def torch_pins(env: Environment) -> TorchPins:
    """What an environment's torch requires: by the recorded METADATA of its wheel, else by the row of its release.

    A CPU build requires none of them; where no fact says, `requirements` is empty and not complete.
    """
    machine = MACHINES[env.variant.platform]
    for row in torch_metadata(env):
        if machine in row.wheel_scope.partition("(")[0]:
            requirements: dict[str, Requirement] = {
                canonicalize_name(requirement.name): requirement
                for requirement in applicable_requirements(row.requires_dist, env)
                if is_torch_pinned(canonicalize_name(requirement.name))
            }
            source = cite(row.source, facts.metadata_date())
            return TorchPins(requirements=requirements, source=source, complete=True)
    release, cuda = facts.release(str(env.service.torch.version)), cuda_version(env)
    if release is None or cuda is None or machine != "x86_64":
        return TorchPins(requirements={}, source="", complete=cuda is None and release is not None)
    cudnn, major = cudnn_version(env), cuda.partition(".")[0]
    lines = {
        "triton": _exact("triton", release.triton),
        f"nvidia-cudnn-cu{major}": _exact(f"nvidia-cudnn-cu{major}", cudnn),
    }
    return TorchPins(
        requirements={name: Requirement(line) for name, line in lines.items() if line},
        source=release.citation,
        complete=False,
    )


def build_pins(version: str, channel: str) -> TorchPins | None:
    """What the x86_64 wheel of a build requires, by its recorded METADATA, else by its release where it is PyPI's; None: unknown."""
    for row in facts.metadata():
        if (row.package, row.channel, row.version.partition("+")[0]) == ("torch", channel, version) and (
            "x86_64" in row.wheel_scope.partition("(")[0]
        ):
            return TorchPins(
                requirements=_pinned_requirements(row.requires_dist),
                source=cite(row.source, facts.metadata_date()),
                complete=True,
            )
    release = facts.release(version)
    # torch's releases have one triton on all CUDA channels, and a cuDNN for each
    line = _exact("triton", release.triton) if release and channel.startswith("cu") else ""
    if not release or not line:
        return None
    return TorchPins(requirements={"triton": Requirement(line)}, source=release.citation, complete=False)


def _pinned_requirements(lines: Iterable[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(requirement.name): requirement
        for requirement in requirements
        if is_torch_pinned(canonicalize_name(requirement.name))
        and marker_holds(requirement.marker, _LINUX_X86_64)
    }


def _exact(name: str, specifier: str | None) -> str:
    """A requirement from a column that has a version, or a range."""
    if not specifier:
        return ""
    return f"{name}=={specifier}" if specifier[0].isdigit() else f"{name}{specifier}"


def pinned_exactly(requirement: Requirement) -> str:
    """The one version that a requirement allows, "" where it allows several."""
    clauses = [*requirement.specifier]
    is_exact = len(clauses) == 1 and clauses[0].operator == "==" and not clauses[0].version.endswith("*")
    return clauses[0].version if is_exact else ""


def allows(requirement: Requirement, version: Version) -> bool:
    """Whether a requirement of torch allows a version."""
    return requirement.specifier.contains(version, prereleases=True)
