"""The installs that an image is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.installs.commands import InstallCommand, parse_installs, run_commands
from torchpin.installs.project_files import requirement_rows, row_target
from torchpin.installs.project_installs import project_targets
from torchpin.project.index_list import pip_indexes
from torchpin.project.pip_arguments import PipArguments
from torchpin.project.stage_copies import may_have_packages, stage_copies
from torchpin.project.stages import parse_build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.installs.commands import Project
    from torchpin.project.markers import MarkerTarget


def install_steps(project: Project, file: str, environment: MarkerTarget) -> Iterable[InstallCommand]:
    """The installs of the Dockerfile; without a Dockerfile, the requirement files and pyproject as one step."""
    if file:
        return image_installs(project, file)
    files = [path for path in project.requirement_files if "constraint" not in path]
    rows = [requirement_rows(project, path) for path in files]
    listed = [row_target(row) for part in rows for row in part.requirements if not row.is_constraint]
    options = [option for part in rows for option in part.options]
    return [
        InstallCommand(
            tool="pip",
            location="requirements",
            file="",
            targets=(*listed, *project_targets(project, environment)),
            indexes=pip_indexes(PipArguments(), {}, {}, options),
        )
    ]


def image_installs(project: Project, file: str) -> Iterable[InstallCommand]:
    """The installs of the image; of stages that it copies from those of Python packages that may be among what is copied."""
    text = project.texts[file]
    stages = parse_build(text).stages
    copies = stage_copies(text)
    has_packages: dict[int, bool] = {}
    for run in run_commands(project, file):
        for step in parse_installs(project, run):
            if not run.in_image and run.files and run.files.stage not in has_packages:
                stage = stages[run.files.stage]
                has_packages[stage.number] = facts.base_image(stage.image) is None or may_have_packages(
                    stage, copies
                )
            is_copied = run.files is None or has_packages.get(run.files.stage, True)
            if run.in_image or (step.tool != "apt" and is_copied):
                yield step
