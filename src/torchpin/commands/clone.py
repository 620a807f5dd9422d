"""`clone`: every source at its commit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.errors import TorchpinError
from torchpin.model import Outcome
from torchpin.workspace.writer import clone_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.report import Watcher
    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment, StatusCallback
    from torchpin.workspace.workspace import Repository


def clone(
    repo: Repository, environments: Sequence[Environment], *, show_status: StatusCallback | None = None
) -> tuple[Outcome, ...]:
    """Clones every source of the environments at its commit, which its tag must give if it has one."""
    from torchpin.tools import git

    outcomes = []
    # by name: the variants of a service share its sources
    selected_sources = {
        (env.service.name, source.name): source for env in environments for source in env.service.sources
    }
    for source in selected_sources.values():
        start = time.monotonic()
        try:
            action = clone_source(repo, source, verify_tag=True, show_status=show_status)
            detail = (
                f"{action}{repo.stub_note} at {f'{source.tag} = ' if source.tag else ''}{source.commit[:12]}"
            )
            outcome = Outcome(
                name=source.path, status="same" if action == git.PRESENT else "changed", detail=detail
            )
        except TorchpinError as error:
            outcome = Outcome(name=source.path, status="failed", detail=str(error), code=error.exit_code)
        outcomes.append(replace(outcome, seconds=time.monotonic() - start))
    return tuple(outcomes)


def clone_workspace(workspace: Workspace, watcher: Watcher) -> CommandReport:
    """Clones every source of the environments."""
    return report_outcomes(clone(workspace.repo, workspace.environments, show_status=watcher.status))
