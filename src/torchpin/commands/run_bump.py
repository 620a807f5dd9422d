"""`bump`: planned, shown, confirmed and carried through; or the last one finished, or undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.bump.target import parse_target
from torchpin.commands import bump
from torchpin.commands.bump_plan import plan_bump
from torchpin.commands.parallel import ignore
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.commands.bump_plan import BumpRequest, PlannedBump
    from torchpin.commands.report import Watcher
    from torchpin.workspace.workspace import Repository


def run_bump(
    request: BumpRequest,
    watcher: Watcher,
    *,
    show: Callable[[PlannedBump], object],
    confirm: Callable[[], bool],
) -> CommandReport:
    """Runs an update, or finishes or undoes the last one. `show` is given each plan before anything is changed, then `confirm` decides."""
    repo = open_workspace(Selection(), watcher).repo
    if request.undo:
        from torchpin.commands.undo import undo

        return report_outcomes(undo(repo))
    if request.resume:
        return report_outcomes(bump.resume(repo, overwrite=request.overwrite, show_status=watcher.status))
    planned = plan_bump(repo, parse_target(request.target), request, services=request.services)
    show(planned)
    bump.require_changes(planned.plans, planned.target)
    if request.dry_run:
        return CommandReport()
    bump.require_reason(planned.plans, request.reason)
    if request.lab:
        from torchpin.commands.lab import bump_in_lab

        return bump_in_lab(planned, request, watcher, ignore if request.quiet else show)
    if not (request.confirmed or request.quiet or confirm()):
        return CommandReport(summary="nothing was changed")
    return _carry_through(repo, planned, request, watcher)


def _carry_through(
    repo: Repository, planned: PlannedBump, request: BumpRequest, watcher: Watcher
) -> CommandReport:
    outcomes = bump.bump(
        repo, planned.plans, planned.target, planned.context, request.options, show_status=watcher.status
    )
    return report_outcomes(outcomes)
