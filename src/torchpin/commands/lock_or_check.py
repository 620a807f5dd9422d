"""The task `lock`: what resolves is imported where something is, since `lock --check` needs none of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.commands.judge import check_workspace
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.commands.report import Watcher
    from torchpin.commands.selection import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class LockOptions:
    """`check`: compare, offline. `upgrade`: packages that may change. `recorded`: read channels from index snapshots.

    `refresh`: resolve also what answers its description.
    """

    check: bool = False
    upgrade: tuple[str, ...] = ()
    recorded: bool = False
    refresh: bool = False
    lab: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.check and self.refresh:
            raise InputError("`--check` is offline and resolves nothing; leave `--refresh` out")
        if self.lab and (self.check or self.upgrade or self.recorded or self.refresh):
            raise InputError(
                "`--lab` can be combined with `--service` and `--variant` only: it locks a scratch copy"
            )


def lock_workspace(workspace: Workspace, options: LockOptions, watcher: Watcher) -> CommandReport:
    """Locks the environments, or with `check` compares their locks with their descriptions."""
    if options.check:
        return check_workspace(workspace, "LCK")
    from torchpin.commands.lock import documents_note, lock

    if note := documents_note(workspace.repo):
        watcher.notice(note)
    outcomes = lock(
        workspace.repo,
        workspace.environments,
        upgrade=options.upgrade,
        recorded=options.recorded,
        refresh=options.refresh,
        overwrite=options.overwrite,
        show_status=watcher.status,
    )
    return report_outcomes(outcomes)
