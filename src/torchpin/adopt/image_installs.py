"""The installs that an image is made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.adopt.installs import (
    InstallCommand,
    InstallTarget,
    parse_install,
    pyproject_targets,
    requirement_lines,
    run_commands,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.adopt.installs import Project

_PROJECT_INSTALL = re.compile(
    r"\b(?:uv (?:\S+ )*sync|(?:poetry|pdm|pipenv) (?:\S+ )*(?:install|sync)|pip3? (?:\S+ )*install (?:\S+ )*\.(?:\[[\w,-]+\])?(?: |$))"
)


def install_steps(project: Project, file: str) -> Iterable[InstallCommand]:
    """The installs of the Dockerfile; without any, the requirement files and pyproject as one step."""
    installs = [*image_installs(project, file)] if file else []
    if any(install.tool == "pip" for install in installs) or (file and not installs_project(project, file)):
        return installs
    rows = [
        row
        for path in project.requirement_files
        if "constraint" not in path
        for row in requirement_lines(project, path)
    ]
    requirements = (*(row for row in rows if isinstance(row, InstallTarget)), *pyproject_targets(project))
    index = next((row[1] for row in rows if isinstance(row, tuple) and row[0] in {"index", "extra"}), "")
    return [
        *installs,
        InstallCommand(
            tool="pip", location=file or "requirements", file=file, targets=requirements, index=index
        ),
    ]


def image_installs(project: Project, file: str) -> Iterable[InstallCommand]:
    """The installs of the image; of stages that it copies from those of Python packages, which may be what is copied."""
    for run in run_commands(project, file):
        step = parse_install(project, run)
        if step and (run.in_image or step.tool == "pip"):
            yield step


def installs_project(project: Project, file: str) -> bool:
    """Whether a command installs what the project declares: `uv sync`, `poetry install`, `pip install .`."""
    texts = (" ".join(run.command.texts) for run in run_commands(project, file))
    return any(_PROJECT_INSTALL.search(text) for text in texts)


def has_installs(project: Project, file: str) -> bool:
    """Whether something installs Python packages, as far as it can be read; without a Dockerfile, the lists do."""
    return (
        not file
        or installs_project(project, file)
        or any(step.tool in {"pip", "conda"} for step in image_installs(project, file))
    )
