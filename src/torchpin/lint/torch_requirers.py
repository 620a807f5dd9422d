"""Packages of an install that require torch, so that the install brings it where it does not leave what is there."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.measured import measured_releases, measured_requirements
from torchpin.facts.versions import is_version
from torchpin.lint.registry import TORCH_FAMILY, exact_version, package_name
from torchpin.lint.resolutions import applies
from torchpin.project.install import FORCING, UPGRADING

if TYPE_CHECKING:
    from torchpin.installs.commands import InstallCommand, InstallTarget


def bringing_torch(step: InstallCommand) -> list[InstallTarget]:
    """The packages of a step that require torch, where it is resolved from PyPI."""
    if step.no_deps or step.index:
        return []
    return [
        target
        for target in step.targets
        if target.requirement
        and applies(target)
        and (package_name(target) in TORCH_FAMILY or _requires_torch(target))
    ]


def _requires_torch(target: InstallTarget) -> bool:
    """Whether the METADATA of a package require torch: those of its pin, of its newest measured release where it has none."""
    name, pin = package_name(target), exact_version(target)
    releases = measured_releases(name)
    if not releases:
        return False
    version = Version(pin if is_version(pin) else releases[-1])
    return any(re.match(r"torch(?![\w.-])", line) for line in measured_requirements(name, version))


def renewing_option(step: InstallCommand, words: tuple[str, ...]) -> str:
    """The option of a command under which what its packages require is chosen anew, "" for none.

    uv upgrades and reinstalls all that it resolves; pip upgrades what others require with the eager strategy only.
    """
    forcing = next((word for word in words if word in FORCING), "")
    upgrading = next((word for word in words if word in UPGRADING), "")
    if forcing or not upgrading or step.program == "uv":
        return forcing or upgrading
    is_eager = "--upgrade-strategy=eager" in words or ("--upgrade-strategy", "eager") in pairwise(words)
    return "--upgrade-strategy eager" if is_eager else ""
