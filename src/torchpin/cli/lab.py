"""The tasks' way through the lab."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torchpin.cli.common import exit_if_failed, open_repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment


@contextmanager
def lab_session(
    service: str,
    variant: str,
    *,
    additional: Sequence[Environment] = (),
    docker: bool = True,
    to_stderr: bool = False,
) -> Iterator[Any]:
    """A lab. `to_stderr`: words to people go to the other stream, since a program reads this one."""
    from torchpin.lab.lab import open_lab
    from torchpin.output import terminal

    say = terminal.print_status if to_stderr else terminal.print_line
    repo, environments = open_repository(service, variant)
    with open_lab(repo, environments, updated_environments=additional, docker=docker, say=say) as scratch:
        yield scratch
    say(
        "lab: the scratch copy, its index, its images and its build cache are gone; this repository was not touched"
    )


def build_in_lab(service: str, variant: str, options: Any, progress: str) -> int:
    """The whole way: lock, clone, render, build (or the native install), records, documents, verify."""
    from torchpin.commands import build as commands_build
    from torchpin.commands import clone as commands_clone
    from torchpin.commands import generate
    from torchpin.commands import install as commands_install
    from torchpin.commands import judge as commands_judge
    from torchpin.commands import lock as commands_lock
    from torchpin.lab.lab import keep_logs
    from torchpin.output import terminal
    from torchpin.output.progress import build_progress

    machine_readable = progress == "json"
    say = terminal.print_status if machine_readable else terminal.print_line
    report_outcomes = terminal.print_outcomes_json if machine_readable else terminal.print_outcomes
    with lab_session(service, variant, to_stderr=machine_readable) as scratch:
        repo, environments = scratch.repo, scratch.environments
        code = report_outcomes(commands_lock.lock(repo, environments, say=say))
        code = code or report_outcomes(commands_clone.clone(repo, environments))
        if code:
            return code
        if scratch.engine:
            with build_progress(progress) as watch:
                outcomes = commands_build.build(repo, environments, options, say=say, watch=watch)
        else:
            outcomes = tuple(commands_install.install(repo, env, say=say) for env in environments)
        code = report_outcomes(outcomes)
        if len(outcomes) > 1 and not machine_readable:
            terminal.print_summary(outcomes)
        if code:
            for log in keep_logs(scratch):
                say(f"lab: the build's log was kept: {log}")
        if code or options.dry_run:
            return code
        report_outcomes(generate.write_documents(repo))
        results = commands_judge.verify(repo, environments)
        terminal.print_results(results, quiet=True, aside=machine_readable)
        summary = (
            "built and proven as an image"
            if scratch.engine
            else f"installed and proven without an image ({scratch.why})"
        )
        if not commands_judge.exit_code(results):
            say(f"lab: locked, cloned, rendered, {summary}, documented and verified")
        return commands_judge.exit_code(results)


def bump_in_lab(plans: Sequence[Any], target: Any, channel: str, reason: str, options: Any) -> None:
    """Each service that moves: locked, built and proven as it is, then bumped through all steps, then verified."""
    from torchpin.bump import plan
    from torchpin.commands import build as commands_build
    from torchpin.commands import bump as commands_bump
    from torchpin.commands import lock as commands_lock
    from torchpin.description.environments import select_environments
    from torchpin.output import terminal

    for service_plan in plans:
        if not service_plan.moves:
            continue
        current = select_environments([service_plan.described])
        with lab_session(service_plan.service, "", additional=current) as scratch:
            repo, environments = scratch.repo, scratch.environments
            exit_if_failed(
                terminal.print_outcomes(commands_lock.lock(repo, environments, say=terminal.print_line))
            )
            if scratch.engine and options.build:
                exit_if_failed(
                    terminal.print_outcomes(
                        commands_build.build(
                            repo, environments, commands_build.BuildOptions(), say=terminal.print_line
                        )
                    )
                )
            context = commands_bump.bump_context(
                repo, target, services=[service_plan.service], channel=channel, reason=reason
            )
            lab_plans = plan.plans(repo.services, target, context)
            terminal.print_plans(
                lab_plans,
                target,
                {lab_plan.service: commands_bump.generated_paths(lab_plan) for lab_plan in lab_plans},
            )
            exit_if_failed(
                terminal.print_outcomes(
                    commands_bump.bump(repo, lab_plans, target, context, options, say=terminal.print_line)
                )
            )
