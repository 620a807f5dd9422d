"""`bump`: planned, shown, confirmed and carried through; or the last one finished, or undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.commands import bump
from torchpin.commands.bump_plan import plan_bump, resolve_plan, with_reasons
from torchpin.commands.parallel import ignore
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.bump.model import Opening
    from torchpin.commands.bump_plan import BumpRequest, PlannedBump
    from torchpin.commands.report import Watcher
    from torchpin.workspace.workspace import Repository


def run_bump(
    request: BumpRequest,
    watcher: Watcher,
    *,
    show: Callable[[PlannedBump], object],
    confirm: Callable[[], bool],
    ask: Callable[[Opening], str],
) -> CommandReport:
    """Runs an update, or finishes or undoes the last one.

    `show` is given each plan before anything is changed; `ask` what introduces it, for the reason, "" for none; then `confirm`
    decides.
    """
    repo = open_workspace(Selection(), watcher, named=request.services).repo
    if request.undo:
        from torchpin.commands.undo import undo

        return report_outcomes(undo(repo))
    if request.resume:
        return report_outcomes(bump.resume(repo, overwrite=request.overwrite, show_status=watcher.status))
    return _run_planned(repo, request, watcher, show=show, confirm=confirm, ask=ask)


def _run_planned(
    repo: Repository,
    request: BumpRequest,
    watcher: Watcher,
    *,
    show: Callable[[PlannedBump], object],
    confirm: Callable[[], bool],
    ask: Callable[[Opening], str],
) -> CommandReport:
    planned = plan_bump(repo, request, services=request.services)
    if not request.lab:  # which resolves with an index of its own
        planned = resolve_plan(repo, planned, request, watcher.status)
    show(planned)
    bump.require_changes(planned.plans, planned.targets)
    if not any(bump_plan.moves for bump_plan in planned.plans):
        return CommandReport()  # the plan says what is there already
    if request.dry_run:
        return CommandReport()
    if not (request.confirmed or request.quiet):
        request, planned = _with_answers(request, planned, ask)
    if request.lab:
        from torchpin.commands.lab import bump_in_lab

        return bump_in_lab(planned, request, watcher, ignore if request.quiet else show)
    if not (request.confirmed or request.quiet or confirm()):
        return CommandReport(summary="nothing was changed")
    return _carry_through(repo, planned, request, watcher)


def _with_answers(
    request: BumpRequest, planned: PlannedBump, ask: Callable[[Opening], str]
) -> tuple[BumpRequest, PlannedBump]:
    """The request and its plan with the reasons that were answered."""
    answers = {opening.key: ask(opening) for opening in planned.unanswered}
    texts = tuple(f"{key}={text}" for key, text in answers.items() if text)
    if not texts:
        return request, planned
    request = replace(request, reasons=(*request.reasons, *texts))
    return request, with_reasons(planned, request.parsed_reasons)


def _carry_through(
    repo: Repository, planned: PlannedBump, request: BumpRequest, watcher: Watcher
) -> CommandReport:
    outcomes = bump.bump(
        repo,
        planned.plans,
        planned.targets,
        planned.context,
        request.options,
        update=planned.update,
        show_status=watcher.status,
    )
    return report_outcomes(outcomes)
