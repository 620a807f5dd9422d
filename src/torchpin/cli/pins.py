"""The tasks about pins: judge, explain, why, support, outdated, bump."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Argument, Context, Task, task

from torchpin.cli.common import (
    GPU,
    HTML,
    JSON,
    LAB,
    ONE_SERVICE,
    SERVICE,
    VARIANT,
    exit_if_failed,
    handle_errors,
    open_repository,
    waiver_notices,
)
from torchpin.cli.lab import bump_in_lab
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment


@task(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "driver": "judge for hosts with this NVIDIA driver, such as 550.54.14",
        "json": "one JSON document instead of text",
        "sarif": "one SARIF 2.1.0 document instead of text",
        "github": "workflow commands that annotate a change on GitHub instead of text",
        "fix": "make the repairs that follow from facts alone, and write the descriptions",
    },
)
def judge(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    driver: str = "",
    json: bool = False,
    sarif: bool = False,
    github: bool = False,
    html: str = "",
    fix: bool = False,
) -> None:
    """Say whether the pins can work, offline, before anything is downloaded: ok, refused, or unknown, with the evidence."""
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with handle_errors():
        if json + sarif + github > 1:
            raise InputError("--json, --sarif and --github are three ways to say the same: give one.")
        repo, environments = open_repository(service)
        if fix:
            from torchpin.commands.fix import apply_safe_fixes

            terminal.print_fixes(apply_safe_fixes(repo, environments), aside=json or sarif or github)
            repo, environments = open_repository(service)
        results = commands_judge.judge(repo, environments, gpus=gpu or (), driver=driver)
        form = "json" if json else "sarif" if sarif else "github" if github else "text"
        terminal.print_verdicts(results, environments, form=form, notices=waiver_notices(environments))
        if html:
            exit_if_failed(
                terminal.print_outcomes([_write_page(environments, results, html)], aside=form != "text")
            )
        exit_if_failed(commands_judge.exit_code(results))


def _write_page(
    environments: Sequence[Environment], results: Sequence[Any], file: str, gpus: Sequence[str] = ()
) -> Any:
    """The page of verdicts and matrix, written."""
    import datetime as dt

    from torchpin.commands import judge as commands_judge
    from torchpin.output.html import render_page
    from torchpin.queries.support import build_matrix, select_gpus

    columns = gpus or select_gpus(environments)
    support_matrix = build_matrix(environments, columns, results)
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    return commands_judge.write_page(Path(file), render_page(results, environments, support_matrix, today))


@task(help={"id": "the check's or trap's id, such as GPU001"})
def explain(_: Context, id: str) -> None:
    """Tell what a check or a trap means, with an example, its sources and what to do."""
    from torchpin.output import terminal
    from torchpin.queries.explain import explain

    with handle_errors():
        terminal.print_raw(explain(id))


@task(
    positional=["service", "component"],
    help={
        **ONE_SERVICE,
        **VARIANT,
        "component": "a package, torch, a source, a GPU, or python, base, cuda, cudnn",
        "json": "one JSON document instead of text",
    },
)
def why(_: Context, service: str, component: str, variant: str = "", json: bool = False) -> None:
    """Tell a pin's chain: where it is written, what it pulls, which facts allow it, which deviation it makes."""
    from dataclasses import asdict

    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal
    from torchpin.queries.why import explanation_lines

    with handle_errors():
        repo, environments = open_repository(service, variant)
        chains = [commands_judge.why(repo, env, component) for env in environments]
        if json:
            terminal.print_json([asdict(chain) for chain in chains])
            return
        for chain in chains:
            for line in explanation_lines(chain):
                terminal.print_line(line)


@task(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "every": "every card that the facts know, not only those that services name",
        "json": "one JSON document instead of text",
    },
)
def support(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    every: bool = False,
    json: bool = False,
    html: str = "",
) -> None:
    """Draw which service runs on which GPU: ok, no or unknown, with the reason."""
    from dataclasses import asdict

    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal
    from torchpin.queries.support import build_matrix, select_gpus

    with handle_errors():
        repo, environments = open_repository(service)
        results = commands_judge.judge(repo, environments)
        gpus = select_gpus(environments, gpu or (), every=every)
        support_matrix = build_matrix(environments, gpus, results)
        if json:
            terminal.print_json(asdict(support_matrix))
        else:
            terminal.print_matrix(support_matrix)
        if html:
            exit_if_failed(
                terminal.print_outcomes([_write_page(environments, results, html, gpus)], aside=json)
            )


@task(help={**SERVICE, **JSON, "offline": "leave PyPI out: only what the recorded facts know"})
def outdated(_: Context, service: str = "", json: bool = False, offline: bool = False) -> None:
    """Show what could move, to what, and what that would open or close: torch, base, sources, packages."""
    from dataclasses import asdict

    from torchpin.commands import outdated as commands_outdated
    from torchpin.output import terminal
    from torchpin.queries.outdated import outdated_lines

    with handle_errors():
        repo, environments = open_repository(service)
        outlooks = commands_outdated.outlooks(repo, environments, offline=offline)
        if json:
            terminal.print_json([asdict(outlook) for outlook in outlooks])
        else:
            for line in outdated_lines(outlooks):
                terminal.print_line(line)


class _BumpTask(Task):  # type: ignore[type-arg]
    """A task whose first word may be missing where `--resume` or `--undo` stands; invoke knows no such thing."""

    def get_arguments(self, *arguments: Any, **keywords: Any) -> list[Argument]:
        task_arguments: list[Argument] = super().get_arguments(*arguments, **keywords)
        if not {"--resume", "--undo"} & {*sys.argv}:
            for argument in task_arguments:
                argument.default = None if argument.name == "what" else argument.default
        return task_arguments


@task(
    klass=_BumpTask,
    positional=["what"],
    iterable=["service"],
    help={
        "what": "such as torch==2.7.1, transformers==4.54.1, python==3.11.9, base=IMAGE or sd-scripts@v0.10.1",
        "service": "only this service; may be given several times",
        "channel": "the channel of torch, such as cu128; the one that serves the GPUs when left out",
        "reason": "why; it is written into the description and the log, and needed where the bump opens a deviation",
        "dry_run": "show the plan, change nothing",
        **JSON,
        "yes": "do not ask on a terminal",
        "no_build": "leave the steps that need a Docker engine pending",
        "resume": "finish the pending steps of the last bump",
        "undo": "put back every file as it was before the last bump",
        "recorded": "read torch's channels from the recorded facts instead of PyTorch's index",
        **LAB,
    },
)
def bump(  # noqa: PLR0913, PLR0917 - each option of the command is one
    _: Context,
    what: str = "",
    service: Sequence[str] | None = None,
    channel: str = "",
    reason: str = "",
    dry_run: bool = False,
    json: bool = False,
    yes: bool = False,
    no_build: bool = False,
    resume: bool = False,
    undo: bool = False,
    recorded: bool = False,
    lab: bool = False,
) -> None:
    """Move a pin by the update policy, with all that belongs to it: all of it or nothing, recorded, and undone at will."""
    from torchpin.bump import plan
    from torchpin.bump.target import parse_target
    from torchpin.commands import bump as commands_bump
    from torchpin.commands import undo as commands_undo
    from torchpin.output import terminal

    with handle_errors():
        repo, _environments = open_repository()
        if resume or undo:
            if what or resume == undo:
                raise InputError("--resume and --undo stand alone.")
            exit_if_failed(
                terminal.print_outcomes(
                    commands_bump.resume(repo, say=terminal.print_line)
                    if resume
                    else commands_undo.undo(repo)
                )
            )
            return
        target = parse_target(what)
        context = commands_bump.bump_context(
            repo, target, services=service or (), channel=channel, reason=reason
        )
        plans = plan.plans(repo.services, target, context)
        derived = {
            service_plan.service: commands_bump.generated_paths(service_plan) for service_plan in plans
        }
        terminal.print_plans(plans, target, derived, json=json)
        commands_bump.require_changes(plans, target)
        if dry_run:
            return
        commands_bump.require_reason(plans, reason)
        options = commands_bump.BumpOptions(build=not no_build, recorded=recorded)
        if lab:
            bump_in_lab(plans, target, channel, reason, options)
            return
        if not (yes or json) and not terminal.confirm("Do this?"):
            terminal.print_line("Nothing was changed.")
            return
        say = terminal.print_status if json else terminal.print_line
        outcomes = commands_bump.bump(repo, plans, target, context, options, say=say)
        exit_if_failed(terminal.print_outcomes(outcomes, aside=json))
