"""The task `build`: the images of a repository, or the whole of a build in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.commands.lab import build_workspace
from torchpin.commands.selection import Selection, open_workspace
from torchpin.errors import ToolError

if TYPE_CHECKING:
    from torchpin.commands.report import CommandReport, Watcher
    from torchpin.commands.run_buildx import BuildOptions
    from torchpin.model import Environment


def build_images(selection: Selection, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """Builds the selected images; with `options.lab` in the lab, from the locks to the documents.

    Raises ToolError, with the way that needs no Docker, where there is no engine.
    """
    if options.lab:
        from torchpin.commands.lab_build import build_in_lab, plan_in_lab

        return (plan_in_lab if options.dry_run else build_in_lab)(selection, options, watcher)
    workspace = open_workspace(selection, watcher)
    try:
        return build_workspace(workspace, options, watcher)
    except ToolError as error:
        raise ToolError(f"{error}\n{_without_docker_hint(workspace.environments[0])}") from None


def _without_docker_hint(env: Environment) -> str:
    return (
        "Start a Docker engine with buildx (`invoke doctor` shows more), or install natively, without Docker:\n"
        f"    invoke install --service {env.service.name}"
    )
