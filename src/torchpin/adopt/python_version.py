"""The Python of a drafted description: the one that the image installs with, or that pyproject.toml requires; else none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from torchpin import facts
from torchpin.adopt.conda_torch import conda_python
from torchpin.adopt.image_installs import image_installs
from torchpin.description import patterns
from torchpin.facts.image_names import parse_image_name
from torchpin.facts.versions import is_version, major_minor
from torchpin.project.interpreter import UNKNOWN, PythonSource, image_python
from torchpin.project.stage_copies import copied_python, stage_copies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.installs.commands import Project
    from torchpin.project.stages import Stage

# For a project that names a minor version only, since a description has a full one.
_PATCHES = {
    "3.8": "3.8.20",
    "3.9": "3.9.23",
    "3.10": "3.10.14",
    "3.11": "3.11.13",
    "3.12": "3.12.11",
    "3.13": "3.13.5",
    "3.14": "3.14.0",
}
_PYTHON_TAG = re.compile(
    r"(?:^|[-_.])py(?:thon)?-?3\.?(\d{1,2})(?![\d.]*\d)"
)  # as images of many publishers have it
_NEWEST_MINOR = 14  # of Python 3, the newest that has wheels of torch


def choose_python(
    project: Project, file: str, stage: Stage | None, base: facts.BaseImage | None
) -> PythonSource:
    """The Python of an image, as 3.12 or 3.12.4, and where that comes from; UNKNOWN where nothing says it.

    Where uv.lock is installed, uv brings another Python than the image's if `requires-python` demands it.
    """
    version, place = conda_python(image_installs(project, file)) if file else ("", "")
    source = (
        PythonSource(version, place, "conda installs it")
        if version
        else _image_python(project, file, stage, base)
    )
    needs_other = project.locked and not _allows_python(project.pyproject, source.version)
    if needs_other or not source.version:  # uv's own choice, or another tool's, where several are allowed
        required = required_python(project.pyproject) if _is_pinned(project.pyproject) else ""
        source = PythonSource(required, f"{project.pyproject_file}:1:1", "`requires-python` says it")
    return source if source.version else UNKNOWN


def full_version(version: str) -> str:
    """A Python for a description: 3.12.4 unchanged, for 3.12 one of its patch releases, "" where none is known."""
    return version if patterns.PYTHON.pattern.fullmatch(version) else _PATCHES.get(major_minor(version), "")


def _image_python(
    project: Project, file: str, stage: Stage | None, base: facts.BaseImage | None
) -> PythonSource:
    place = f"{file}:{stage.start.line}:{stage.start.column}" if stage else ""
    in_base = PythonSource(base.python, place, f"{base.image} has it") if base and base.python else UNKNOWN
    image = stage.image if stage else ""
    if base is None and (tag := _PYTHON_TAG.search(image.partition("@")[0].rpartition(":")[2])):
        in_base = PythonSource(f"3.{tag[1]}", place, f"its tag says {tag[0].strip('-_.')}")
    system = base or facts.base_image(_system_image(image))
    in_system = UNKNOWN
    # of an image with a torch the system's Python is not the one that has it
    if system and system.apt_python and not system.brings_torch:
        in_system = PythonSource(system.apt_python, place, f"{system.os} has it")
    if not in_base.version:
        in_base = _copied_python(project.texts[file], file) if stage else UNKNOWN
    is_default = base is not None or parse_image_name(image).repository == "nvidia/cuda"
    return image_python(
        project.runs.get(file, ()), in_base, in_system, is_default=is_default, pinned=_python_pin(project)
    )


def _copied_python(text: str, file: str) -> PythonSource:
    """The Python that a COPY brings from another image, such as /usr/local of python:3.11."""
    copy = copied_python(stage_copies(text))
    origin = facts.base_image(copy.image) if copy else None
    if copy is None or origin is None or not origin.python:
        return UNKNOWN
    place = copy.instruction.place
    return PythonSource(
        origin.python, f"{file}:{place.line}:{place.column}", f"it is copied from {origin.image}"
    )


def _python_pin(project: Project) -> PythonSource:
    """What the .python-version nearest to the project's root says."""
    paths = sorted((path for path in project.texts if path.rpartition("/")[2] == ".python-version"), key=len)
    lines = project.texts[paths[0]].split() if paths else []
    if lines and re.fullmatch(r"3\.\d{1,2}(?:\.\d{1,2})?", lines[0]):
        return PythonSource(lines[0], f"{paths[0]}:1:1", f"{paths[0]} says it")
    return UNKNOWN


def _system_image(image: str) -> str:
    """The image of the system that a tag names: ubuntu:22.04 of `12.4.1-runtime-ubuntu22.04`."""
    match = re.search(r"(ubuntu|debian)-?(\d\d(?:\.\d\d)?)(?!\d)", image.rpartition(":")[2])
    return f"{match[1]}:{match[2]}" if match else ""


def _allows_python(pyproject: Mapping[str, Any], version: str) -> bool:
    """Whether `requires-python` admits a Python such as 3.12 or 3.12.4; without it, every one."""
    specifier = _requires_python(pyproject)
    return specifier is None or (is_version(version) and specifier.contains(version, prereleases=True))


def _is_pinned(pyproject: Mapping[str, Any]) -> bool:
    """Whether `requires-python` admits a single minor version."""
    specifier = _requires_python(pyproject)
    minors = range(7, _NEWEST_MINOR + 1)
    return specifier is not None and sum(specifier.contains(f"3.{minor}.5") for minor in minors) == 1


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
