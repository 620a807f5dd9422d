"""Which Python a stage's packages are installed for, where its lines and the base image leave no doubt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from torchpin import facts
from torchpin.facts.versions import major_minor
from torchpin.installs import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import Project
    from torchpin.lint.resolutions import StageSteps
    from torchpin.project.runs import RunCommand

_APT_PYTHON = {"python3", "python3-pip", "python3-venv", "python3-dev", "python-is-python3"}
_NAMED = re.compile(r"(?:^|/)python(3\.\d+)(?:-\w+)?$|^python=+(3\.\d+)")
_CHOSEN = re.compile(r"^(?:--python|-p)(?:=(.*))?$")
_ENVIRONMENT = re.compile(r"(?:^| )(?:\S*python[\d.]* -m venv|uv venv|(?:\S*/)?virtualenv)(?: |$)")
_UV_PROJECT = re.compile(r"^(?:\S*/)?uv (?:run|sync)$")
_MOST_PATCHES = 40  # of a minor version of Python
_INSTALLERS = {"conda", "mamba", "micromamba", "pyenv", "altinstall", "update-alternatives"}


def stage_python(project: Project, steps: StageSteps) -> str:
    """The minor version, such as 3.11; "" where another Python is named than that of the image, or none is known."""
    base = facts.base_image(steps.image) if steps.image else None
    if base is None:
        return ""
    words = {word for run in stage_runs(project, steps) for word in run.command.texts}
    version = base.python or (base.apt_python if words & _APT_PYTHON else "") or ""
    minor = major_minor(version) if version else ""
    others = {other for run in stage_runs(project, steps) for other in named_pythons(run)}
    is_unclear = bool(words & _INSTALLERS) and not base.python
    is_unknown = bool(others - {minor}) or is_unclear or _is_excluded(project, steps, minor)
    return "" if is_unknown else minor


def other_pythons(project: Project, steps: StageSteps) -> Iterator[tuple[RunCommand, str, str]]:
    """The commands that bring, or use, another Python than the one of the image: the command, that Python, the image's."""
    base = facts.base_image(steps.image) if steps.image else None
    image_python = major_minor(base.python) if base and base.python else ""
    for run in stage_runs(project, steps) if image_python else ():
        for version in named_pythons(run):
            if version != image_python:
                yield run, version, image_python


def named_pythons(run: RunCommand) -> set[str]:
    """The Pythons that a command names: as a program, a system package, `--python 3.12` or conda's `python=3.12`."""
    texts = run.command.texts
    versions: set[str] = set()
    for number, text in enumerate(texts):
        named = _NAMED.search(text)
        if named:
            versions.add(named[1] or named[2])
        chosen = _CHOSEN.match(text)
        if chosen and "uv" in {word.rpartition("/")[2] for word in texts[:3]}:
            value = chosen[1] or "".join(texts[number + 1 : number + 2])
            version = re.match(r"(?:cpython-?)?(3\.\d+)", value)
            versions |= {version[1]} if version else set()
    return versions


def makes_environment(project: Project, steps: StageSteps) -> bool:
    """Whether a stage makes a virtual environment that has no packages of the image's Python in it."""
    return any(
        _ENVIRONMENT.search(" ".join(run.command.texts[:4]))
        and "--system-site-packages" not in run.command.texts
        for run in stage_runs(project, steps)
    )


def _is_excluded(project: Project, steps: StageSteps, minor: str) -> bool:
    """Whether uv, which makes the environment of the project, cannot take this Python for it."""
    table = project.pyproject.get("project")
    required = table.get("requires-python") if isinstance(table, dict) else None
    uses_uv = any(_UV_PROJECT.search(" ".join(run.command.texts[:2])) for run in stage_runs(project, steps))
    if not uses_uv or not isinstance(required, str) or not minor:
        return False
    try:
        return not any(SpecifierSet(required).contains(f"{minor}.{patch}") for patch in range(_MOST_PATCHES))
    except InvalidSpecifier:
        return False


def stage_runs(project: Project, steps: StageSteps) -> Iterator[RunCommand]:
    """The commands of a stage and of those that it stands on."""
    lines = {instruction.line for instruction in steps.stage.instructions} if steps.stage else set()
    return (run for run in commands.run_commands(project, steps.file) if run.instruction.line in lines)
