"""Commands in the lab: a scratch copy as the workspace, the whole build, and an update carried through in it.

The other commands are imported where they are called: most that import this module run outside of the lab.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, Workspace, open_workspace
from torchpin.description.environments import select_environments
from torchpin.errors import TorchpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Literal

    from torchpin.bump.model import Plan
    from torchpin.commands.bump_plan import BumpRequest, PlannedBump
    from torchpin.commands.report import Watcher
    from torchpin.commands.run_buildx import BuildOptions
    from torchpin.lab.lab import Lab
    from torchpin.model import Environment

    LabStage = Literal["lock", "clone"]


class LabStageError(TorchpinError):
    """A stage that a command in the lab depends on has failed; its outcomes were reported."""

    def __init__(self, stage: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(f"lab: {stage} failed")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabWorkspace(Workspace):
    """A lab and its scratch copy; `opening`: what it is going to cover, one line per environment."""

    lab: Lab
    opening: tuple[str, ...] = ()


@contextmanager
def workspace_for(
    selection: Selection,
    *,
    lab: bool,
    watcher: Watcher,
    needs: Sequence[LabStage] = (),
    partly: bool = False,
) -> Iterator[Workspace]:
    """The repository's own workspace or, with `lab`, a scratch copy without an engine that is removed at the end.

    `partly`: services whose descriptions cannot be read are passed over (`open_workspace`), but not in the lab.
    `needs`: the stages that are run in a scratch copy first, since it starts without locks and clones.
    Raises LabStageError where one of them fails.
    """
    if lab:
        with lab_workspace(selection, watcher=watcher, needs=needs) as scratch:
            yield scratch
        for line in scratch.opening:
            watcher.status(line)
    else:
        yield open_workspace(selection, watcher, partly=partly)


@contextmanager
def lab_workspace(
    selection: Selection,
    *,
    watcher: Watcher,
    needs: Sequence[LabStage] = (),
    docker: bool = False,
    full: bool = False,
    keep: bool = False,
    updated_environments: Sequence[Environment] = (),
) -> Iterator[LabWorkspace]:
    """A scratch copy of the selected environments. `docker`: with an engine, where one can be reached; `needs` as above.

    `full`, `keep` as `open_lab` has them; what is kept is named at the end. `updated_environments`: the environments as an
    update will have them.
    """
    from torchpin.lab.lab import open_lab

    workspace = open_workspace(selection, watcher)
    opening = show_opening(workspace, watcher, full=full)
    lab = None
    try:
        with open_lab(
            workspace.repo,
            workspace.environments,
            updated_environments=updated_environments,
            docker=docker,
            full=full,
            keep=keep,
            show_status=watcher.status,
        ) as lab:
            scratch = LabWorkspace(repo=lab.repo, environments=lab.environments, lab=lab, opening=opening)
            for stage in needs:
                _run_stage(stage, scratch, watcher)
            yield scratch
    except Exception:
        if lab and keep:
            _show_kept(lab, watcher)
        raise
    if keep:
        _show_kept(lab, watcher)
    else:
        watcher.status(
            "lab: nothing was kept (copy, index, images, build cache); this repository was not touched"
        )


def show_opening(workspace: Workspace, watcher: Watcher, *, full: bool) -> tuple[str, ...]:
    """Shows what a lab of these environments is going to cover, and returns it, one line per environment."""
    from torchpin.lab.lab import require_locks
    from torchpin.lab.scope import expected_scope
    from torchpin.lab.stands_for import left_out_lines, opening_line

    locks = require_locks(workspace.repo, workspace.environments)
    lines = []
    for env in workspace.environments:
        scope = expected_scope(env, locks[env.name], full=full)
        lines.append(opening_line(env, scope))
        watcher.status(lines[-1])
        for line in left_out_lines(env, scope):
            watcher.detail(line)
    return tuple(lines)


def closing_lines(workspace: LabWorkspace, *, done: str) -> tuple[str, ...]:
    """What a lab has done and how much it covered, one line per environment."""
    from torchpin.lab.stands_for import closing_line

    lab = workspace.lab
    return tuple(
        closing_line(lab.described(env), lab.scope(env), done=done, has_image=lab.has_docker)
        for env in workspace.environments
    )


def _show_kept(lab: Lab, watcher: Watcher) -> None:
    """Where a kept lab is, and how to remove it."""
    images = " ".join(lab.kept_images)
    root = lab.repo.root
    watcher.status(f"lab: kept {root}, with locks, Dockerfiles, records and documents as they are made")
    if images:
        watcher.status(f"lab: kept {images}; `docker run --rm {lab.kept_images[0]}` starts it")
    remove_images = f"docker image rm {images} && " if images else ""
    watcher.status(f"lab: `{remove_images}rm -r {lab.folder}` removes what is kept")


def _run_stage(stage: LabStage, workspace: Workspace, watcher: Watcher) -> None:
    from torchpin.commands.clone import clone
    from torchpin.commands.lock import lock

    outcomes = (
        lock(workspace.repo, workspace.environments, show_status=watcher.status)
        if stage == "lock"
        else clone(workspace.repo, workspace.environments, show_status=watcher.status)
    )
    _require_success(stage, report_outcomes(outcomes), watcher)


def _require_success(stage: str, report: CommandReport, watcher: Watcher) -> None:
    watcher.report(report)
    if report.exit_code:
        raise LabStageError(stage, report.exit_code)


def build_workspace(workspace: Workspace, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """Builds the images of the platform; docker-py and all that builds are imported only where there is something to do."""
    from torchpin.commands.standing_images import standing_images

    chosen = options.select(workspace.environments)
    standing = standing_images(workspace.repo, chosen, options)
    if chosen and len(standing) == len(chosen):
        return report_outcomes([standing[env.name] for env in chosen], tabulated=True)
    from torchpin.commands.build import build  # with all that builds, which takes as long as the rest

    with watcher.progress() as watch:
        outcomes = build(
            workspace.repo,
            workspace.environments,
            options,
            standing=standing,
            show_status=watcher.status,
            watch=watch,
        )
    return report_outcomes(outcomes, tabulated=True)


def bump_in_lab(
    planned: PlannedBump,
    request: BumpRequest,
    watcher: Watcher,
    show: Callable[[PlannedBump], object],
) -> CommandReport:
    """Every service that moves, in a lab of its own: locked and built as it is, then updated through all steps."""
    report = CommandReport()
    for service_plan in planned.plans:
        if service_plan.moves:
            watcher.report(report)
            report = _bump_service(planned, service_plan, request, watcher, show)
            if report.exit_code:
                break
    return report


def _bump_service(
    planned: PlannedBump,
    service_plan: Plan,
    request: BumpRequest,
    watcher: Watcher,
    show: Callable[[PlannedBump], object],
) -> CommandReport:
    from torchpin.bump.reasons import relevant_reasons
    from torchpin.commands.build import BuildOptions
    from torchpin.commands.bump import bump
    from torchpin.commands.bump_plan import plan_bump

    with lab_workspace(
        Selection(service=service_plan.service),
        watcher=watcher,
        needs=("lock",),
        docker=True,
        updated_environments=select_environments([service_plan.service_after]),
    ) as workspace:
        if workspace.lab.has_docker and request.build:
            _require_success("build", build_workspace(workspace, BuildOptions(), watcher), watcher)
        # of the lock before the update: what the lab leaves out stays left out
        summary = "\n".join(closing_lines(workspace, done="updated"))
        service_request = replace(request, reasons=relevant_reasons(service_plan.openings, request.reasons))
        lab_plan = plan_bump(workspace.repo, service_request, services=(service_plan.service,))
        show(lab_plan)
        outcomes = bump(
            workspace.repo,
            lab_plan.plans,
            planned.targets,
            lab_plan.context,
            request.options,
            show_status=watcher.status,
        )
        report = report_outcomes(outcomes)
    return report if report.exit_code else replace(report, summary=summary)
