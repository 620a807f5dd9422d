"""`build --lab`: a whole build in a lab, in which the user's imports, smoke test and command are tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.commands.lab import LabWorkspace, build_workspace, closing_lines, lab_workspace, show_opening
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_workspace
from torchpin.errors import TOOL
from torchpin.model import Outcome

if TYPE_CHECKING:
    from torchpin.commands.report import Watcher
    from torchpin.commands.run_buildx import BuildOptions
    from torchpin.lab.lab import Lab
    from torchpin.lab.trial import Attempt
    from torchpin.model import Environment

# Checks of the libraries that files load: torch's, and those of the system, are left out.
_OF_LIBRARIES = frozenset({"IMG007", "IMG008"})
_STEPS = (
    "would make the stubs, lock, clone, render and build an image (install, where there is no Docker engine), try the imports, "
    "the smoke test and the command, write record and documents, and verify them"
)


def plan_in_lab(selection: Selection, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """What `build_in_lab` would do. Nothing is run or made, and no engine is asked."""
    workspace = open_workspace(selection, watcher)
    show_opening(workspace, watcher, full=options.full)
    rows = (
        Outcome(name=env.name, status="same", detail=_STEPS) for env in options.select(workspace.environments)
    )
    return report_outcomes(rows)


def build_in_lab(selection: Selection, options: BuildOptions, watcher: Watcher) -> CommandReport:
    """Lock, clone, render, build (or install, without an engine), record, documents; then all is tried, and verified.

    What of the user's own stops at a stub, or at what is left out, is shown; whatever else fails is a failure.
    """
    with lab_workspace(
        selection,
        watcher=watcher,
        needs=("lock", "clone"),
        docker=True,
        full=options.full,
        keep=options.keep,
    ) as workspace:
        built = (
            build_workspace(workspace, options, watcher)
            if workspace.lab.has_docker
            else _install(workspace, watcher)
        )
        if built.exit_code:
            _keep_logs(workspace.lab, watcher)
            return built
        watcher.report(_in_the_lab(built, workspace.lab))
        _write_documents(workspace, watcher)
        names = {outcome.name for outcome in built.outcomes}  # those of a platform, where one is chosen
        environments = tuple(env for env in workspace.environments if env.name in names)
        present = replace(workspace, environments=environments)
        report = _try_out(present, watcher)
        return report if report.exit_code else _verify(present, watcher)


def _install(workspace: LabWorkspace, watcher: Watcher) -> CommandReport:
    from torchpin.commands.install import install

    outcomes = [install(workspace.repo, env, show_status=watcher.status) for env in workspace.environments]
    return report_outcomes(outcomes, tabulated=True)


def _in_the_lab(built: CommandReport, lab: Lab) -> CommandReport:
    """A report without names of images and folders that are about to go."""
    detail = f"{'built' if lab.has_docker else 'installed'} in the lab, and matches its lock there"
    return replace(built, outcomes=tuple(replace(outcome, detail=detail) for outcome in built.outcomes))


def _keep_logs(lab: Lab, watcher: Watcher) -> None:
    from torchpin.lab.lab import keep_logs

    for log in keep_logs(lab):
        watcher.status(f"lab: the build's log was kept: {log}")


def _write_documents(workspace: LabWorkspace, watcher: Watcher) -> None:
    from torchpin.commands.generate import write_documents

    outcomes = write_documents(workspace.repo)
    failed = [outcome for outcome in outcomes if outcome.code]
    if failed:
        watcher.report(report_outcomes(failed))
    else:
        watcher.status(f"lab: {len(outcomes)} documents are up to date")


def _try_out(workspace: LabWorkspace, watcher: Watcher) -> CommandReport:
    """Tries the user's own code and shows the results; the report has the failures that are not due to the lab's gaps."""
    from torchpin.lab.trial import try_out

    failed = []
    for env in workspace.environments:
        for attempt in try_out(workspace.lab, env):
            if attempt.status == "failed":
                failed.append(_failure(env, attempt))
            else:
                watcher.status(f"lab: {env.name}: {attempt.what}: {attempt.detail}")
                for line in attempt.lines:
                    watcher.detail(f"    {line}")
    return report_outcomes(failed)


def _failure(env: Environment, attempt: Attempt) -> Outcome:
    return Outcome(name=env.name, status="failed", code=TOOL, detail=f"{attempt.what}: {attempt.detail}")


def _verify(workspace: LabWorkspace, watcher: Watcher) -> CommandReport:
    """All checks on the lab's copy. Findings are shown where they fail; unknowns are not, since facts know nothing of stubs."""
    from torchpin.checks.run import is_failure
    from torchpin.commands import judge

    unfounded = _OF_LIBRARIES if workspace.lab.full else frozenset()
    results = [
        result
        for result in judge.verify(workspace.repo, workspace.environments)
        if result.check not in unfounded
    ]
    if exit_code := judge.exit_code(results):
        return CommandReport(results=tuple(filter(is_failure, results)), exit_code=exit_code)
    counts = Counter(result.status for result in results).most_common()
    watcher.status(f"lab: checks of the copy: {', '.join(f'{number} {status}' for status, number in counts)}")
    done = "built and checked" if workspace.lab.has_docker else "installed, without an image, and checked"
    verdicts = (f"ok: {line}" for line in closing_lines(workspace, done=done))
    return CommandReport(summary="\n".join((*verdicts, _next_step(workspace))))


def _next_step(workspace: LabWorkspace) -> str:
    services = dict.fromkeys(env.service.name for env in workspace.environments)
    judged = " ".join(["invoke judge", *(f"--service {name}" for name in services if len(services) == 1)])
    return f"next: `{judged}`, or the same command without `--lab`"
