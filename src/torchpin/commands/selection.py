"""The repository of the current folder, and the environments in it that a command acts on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description.environments import select_environments
from torchpin.description.read import description_error
from torchpin.errors import INPUT, InputError
from torchpin.quantities import count
from torchpin.workspace import workspace
from torchpin.workspace.writer import recover

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
    """A repository, or the lab's scratch copy of it, and the selected environments.

    `exit_code`: that of wrong input where services were passed over that the command is about, else 0.
    """

    repo: Repository
    environments: tuple[Environment, ...]
    exit_code: int = 0

    def single_environment(self) -> Environment:
        """The selected environment. Raises InputError where a service has several."""
        if len(self.environments) > 1:
            name = self.environments[0].service.name
            raise InputError(f"{name} has several variants; choose one with `--variant`")
        return self.environments[0]


def open_repository(*, only: Collection[str] | None = None) -> Repository:
    """The repository that the current folder belongs to; with `only`, the services that have to be readable."""
    return workspace.open_repository(workspace.find_root(Path.cwd()), only=only)


def open_workspace(
    selection: Selection, watcher: Watcher, *, named: Sequence[str] = (), partly: bool = False
) -> Workspace:
    """The repository with the selected environments, once an interrupted transaction in it is finished or cleared up.

    Where services are named, by the selection or by `named`, their descriptions have to be readable, and others that are not
    are a notice. Else all have to be; `partly`: those that are not are told with all their problems, and are the exit code.
    """
    root = workspace.find_root(Path.cwd())
    message = recover(root)
    if message:
        watcher.notice(message)
    only = tuple(filter(None, [selection.service, *named]))
    repo = workspace.open_repository(root, only=only if only or partly else None)
    if repo.broken and not repo.services:
        raise description_error(problem for problems in repo.broken.values() for problem in problems)
    report_broken(repo, watcher, in_full=not only)
    environments = select_environments(repo.services, service=selection.service, variant=selection.variant)
    exit_code = INPUT if repo.broken and not only else 0
    return Workspace(repo=repo, environments=environments, exit_code=exit_code)


def report_broken(repo: Repository, watcher: Watcher, *, in_full: bool = False) -> None:
    """A line for each service that is passed over; `in_full`: after its problems."""
    for name, problems in repo.broken.items():
        if in_full:
            for problem in problems:
                watcher.notice(str(problem))
        number = count(len(problems), "problem")
        watcher.notice(f"{paths.description_path(name)} has {number}; {name} is passed over")
