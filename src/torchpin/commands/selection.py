"""The repository of the current folder, and the environments in it that a command acts on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import workspace
from torchpin.workspace.writer import recover

if TYPE_CHECKING:
    from torchpin.commands.report import Watcher
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Environments by the names of their service and variant; "" stands for all."""

    service: str = ""
    variant: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """A repository, or the lab's scratch copy of it, and the selected environments."""

    repo: Repository
    environments: tuple[Environment, ...]

    def single_environment(self) -> Environment:
        """The selected environment. Raises InputError where a service has several."""
        if len(self.environments) > 1:
            name = self.environments[0].service.name
            raise InputError(f"{name} has several variants; choose one with `--variant`")
        return self.environments[0]


def open_repository() -> Repository:
    """The repository that the current folder belongs to."""
    return workspace.open_repository(workspace.find_root(Path.cwd()))


def open_workspace(selection: Selection, watcher: Watcher) -> Workspace:
    """The repository with the selected environments, once an interrupted transaction in it is finished or cleared up."""
    root = workspace.find_root(Path.cwd())
    message = recover(root)
    if message:
        watcher.notice(message)
    repo = workspace.open_repository(root)
    environments = select_environments(repo.services, service=selection.service, variant=selection.variant)
    return Workspace(repo=repo, environments=environments)
