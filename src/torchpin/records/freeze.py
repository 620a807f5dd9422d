"""Freeze records, the `name==version` lines of `pip freeze`: written, parsed, and compared with locks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from torchpin.compat.compiled import is_compiled_version
from torchpin.lock.compare import package_changes
from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Lock

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?:.*?--hash=sha256:(?P<sha256>[0-9a-f]{64}))?.*"
)
# pip writes `name @ URL` for a package that was installed from a file rather than from an index (PEP 610).
_DIRECT_REFERENCE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*) @ [^#]*/(?P<file>[^/#?]+)(?:#sha256=(?P<sha256>[0-9a-f]{64}))?.*"
)


def format_freeze(distributions: Mapping[str, str]) -> str:
    """The freeze record of installed distributions, name to version, sorted by name."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(distributions.items()))


def parse_freeze(freeze: str) -> dict[str, Artifact]:
    """The packages of a freeze record by normalized name, without file names and sizes; other lines are skipped.

    A requirements file with one pin a line is one too, and has hashes. A direct reference has the version of its
    wheel's name; the name of any other file is its version.
    """
    packages = (_parse_line(line.strip()) for line in freeze.splitlines())
    return {package.name: package for package in packages if package}


def _parse_line(line: str) -> Artifact | None:
    pin = _PIN.fullmatch(line)
    if pin:
        return _frozen_package(pin["name"], pin["version"], pin["sha256"])
    reference = _DIRECT_REFERENCE.fullmatch(line)
    if not reference:
        return None
    try:
        version = str(parse_wheel_filename(reference["file"].replace("%2B", "+"))[1])
    except InvalidWheelFilename:
        version = reference["file"]
    return _frozen_package(reference["name"], version, reference["sha256"])


def _frozen_package(name: str, version: str, sha256: str | None) -> Artifact:
    return Artifact(name=canonicalize_name(name), version=version, filename="", sha256=sha256 or "")


def freeze_differences(freeze: str, lock: Lock, compiled: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """How a freeze record differs from a lock, one clause a package that starts with its name; none where they match.

    Packages of an optional layer may be missing from the record; the version of an installed source is that of its commit.
    `compiled` has the versions of the packages that the image's build compiles, which may have a local part in the record.
    """
    installed = {name: package.version for name, package in parse_freeze(freeze).items()}
    missing_sources = [name for name in lock.source_distributions if name not in installed]
    installed = {
        name: version for name, version in installed.items() if name not in lock.source_distributions
    }
    locked: dict[str, str] = {
        canonicalize_name(name): package.version for name, package in lock.packages.items()
    }
    for name, version in (compiled or {}).items():
        is_same = name in installed and is_compiled_version(installed[name], version)
        locked[name] = installed[name] if is_same else version
    optional = lock.optional_names
    return (
        *(
            f"{name}: the source is installed by its lock, but it is not installed"
            for name in missing_sources
        ),
        *(
            _difference(name, locked.get(name), installed.get(name))
            for name in sorted({*installed, *locked})
            if installed.get(name) != locked.get(name) and not (name in optional and name not in installed)
        ),
    )


def _difference(name: str, locked: str | None, installed: str | None) -> str:
    if locked is None:
        return f"{name}: {installed} is installed, but not locked"
    return f"{name}: {locked} is locked, but " + (
        f"{installed} is installed" if installed else "it is not installed"
    )


def freeze_changes(before: str, after: str) -> tuple[str, ...]:
    """What changed between two freeze records, one clause a package."""
    return package_changes(parse_freeze(before), parse_freeze(after))
