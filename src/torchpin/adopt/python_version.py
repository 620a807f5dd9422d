"""The Python of a drafted description: that of the base image, or the one that pyproject.toml requires."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from torchpin.description import patterns
from torchpin.facts.versions import is_version, major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin import facts
    from torchpin.adopt.installs import Project

# For a project that names a minor version only, since a description has a full one.
_PATCHES = {"3.10": "3.10.14", "3.12": "3.12.11", "3.13": "3.13.5"}
_NEWEST_MINOR = 14  # of Python 3, the newest that has wheels of torch


def choose_python(project: Project, base: facts.BaseImage | None, *, torch_from_base: bool) -> Version:
    """The Python of a base image with torch; else an exact version, from the base image or pyproject.toml.

    Where uv.lock is installed, uv brings another Python than the image's if `requires-python` demands it.
    """
    in_image = (base.python or base.apt_python or "") if base else ""
    version = in_image or required_python(project.pyproject)
    if torch_from_base:
        return Version(version or "3.11")
    if project.locked and not _allows_python(project.pyproject, in_image):
        version = required_python(project.pyproject)
    minor = major_minor(version or "3.11")
    is_exact = bool(version and patterns.PYTHON.pattern.fullmatch(version))
    return Version(version if is_exact else _PATCHES.get(minor, f"{minor}.13"))


def _allows_python(pyproject: Mapping[str, Any], version: str) -> bool:
    """Whether `requires-python` admits a Python such as 3.12 or 3.12.4; without it, every one."""
    specifier = _requires_python(pyproject)
    return specifier is None or (is_version(version) and specifier.contains(version, prereleases=True))


def required_python(pyproject: Mapping[str, Any]) -> str:
    """The Python that `requires-python` names, as 3.12 or 3.12.4: its first version that it admits, else the newest minor.

    "" where it is missing, or admits none.
    """
    specifier = _requires_python(pyproject)
    if specifier is None:
        return ""
    named = re.findall(r"3\.\d+(?:\.\d+)?", str(specifier))
    minors = [f"3.{minor}" for minor in range(_NEWEST_MINOR, 0, -1)]
    return next((version for version in (*named, *minors) if specifier.contains(version)), "")


def _requires_python(pyproject: Mapping[str, Any]) -> SpecifierSet | None:
    try:
        table = pyproject["project"]
        return SpecifierSet(str(table["requires-python"]))
    except (KeyError, TypeError, InvalidSpecifier):
        return None
