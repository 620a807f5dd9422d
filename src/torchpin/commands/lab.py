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
from torchpin.errors import ToolError, TorchpinError

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
    """A lab's scratch copy, with its lab."""

    lab: Lab


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
    else:
        yield open_workspace(selection, watcher, partly=partly)


@contextmanager
def lab_workspace(
    selection: Selection,
    *,
    watcher: Watcher,
    needs: Sequence[LabStage] = (),
    docker: bool = False,
    updated_environments: Sequence[Environment] = (),
) -> Iterator[LabWorkspace]:
    """A scratch copy of the selected environments. `docker`: with an engine, where one can be reached; `needs` as above.

    `updated_environments`: the environments as an update will have them.
    """
    from torchpin.lab.lab import open_lab

    workspace = open_workspace(selection, watcher)
    with open_lab(
        workspace.repo,
        workspace.environments,
        updated_environments=updated_environments,
        docker=docker,
        show_status=watcher.status,
    ) as lab:
        scratch = LabWorkspace(repo=lab.repo, environments=lab.environments, lab=lab)
        for stage in needs:
            _run_stage(stage, scratch, watcher)
        yield scratch
    watcher.status(
        "lab: the scratch copy, its index, its images and its build cache are gone; this repository was not touched"
    )


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


def build_images(selection: Selection, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """Builds the selected images; with `options.lab` in the lab, from the locks to the documents.

    Raises ToolError, with the way that needs no Docker, where there is no engine.
    """
    if options.lab:
        return _build_in_lab(selection, options, watcher)
    workspace = open_workspace(selection, watcher)
    try:
        return _build(workspace, options, watcher)
    except ToolError as error:
        raise ToolError(f"{error}\n{_without_docker_hint(workspace.environments[0])}") from None


def _build(workspace: Workspace, options: BuildOptions, watcher: Watcher) -> CommandReport:
    from torchpin.commands.standing_images import standing_images

    chosen = tuple(env for env in workspace.environments if options.platform in {"", env.variant.platform})
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


def _without_docker_hint(env: Environment) -> str:
    return (
        "Start a Docker engine with buildx (`invoke doctor` tells more), or install natively, without Docker:\n"
        f"    invoke install --service {env.service.name}"
    )


def _build_in_lab(selection: Selection, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """Lock, clone, render, build (or install, without an engine), records, documents, verify."""
    from torchpin.commands.generate import write_documents

    with lab_workspace(selection, watcher=watcher, needs=("lock", "clone"), docker=True) as workspace:
        built = (
            _build(workspace, options, watcher) if workspace.lab.has_docker else _install(workspace, watcher)
        )
        if built.exit_code:
            _keep_logs(workspace.lab, watcher)
        if built.exit_code or options.dry_run:
            return built
        watcher.report(built)
        watcher.report(report_outcomes(write_documents(workspace.repo)))
        return _verify_build(workspace, workspace.lab)


def _install(workspace: Workspace, watcher: Watcher) -> CommandReport:
    from torchpin.commands.install import install

    outcomes = [install(workspace.repo, env, show_status=watcher.status) for env in workspace.environments]
    return report_outcomes(outcomes, tabulated=True)


def _keep_logs(lab: Lab, watcher: Watcher) -> None:
    from torchpin.lab.lab import keep_logs

    for log in keep_logs(lab):
        watcher.status(f"lab: the build's log was kept: {log}")


def _verify_build(workspace: Workspace, lab: Lab) -> CommandReport:
    from torchpin.commands import judge

    results = judge.verify(workspace.repo, workspace.environments)
    exit_code = judge.exit_code(results)
    how = (
        "built and verified as an image"
        if lab.has_docker
        else f"installed and verified without an image ({lab.no_docker_reason})"
    )
    summary = f"lab: locked, cloned, rendered, {how}, documented and verified"
    return CommandReport(results=results, summary="" if exit_code else summary, exit_code=exit_code)


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
            _require_success("build", _build(workspace, BuildOptions(), watcher), watcher)
        own = replace(request, reasons=relevant_reasons(service_plan.openings, request.reasons))
        lab_plan = plan_bump(workspace.repo, own, services=(service_plan.service,))
        show(lab_plan)
        outcomes = bump(
            workspace.repo,
            lab_plan.plans,
            planned.targets,
            lab_plan.context,
            request.options,
            show_status=watcher.status,
        )
        return report_outcomes(outcomes)
