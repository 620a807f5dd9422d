"""The tasks' way through the lab."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torchpin.cli.common import exit_with, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment


@contextmanager
def open_lab(
    service: str,
    variant: str,
    *,
    beside: Sequence[Environment] = (),
    docker: bool = True,
    aside: bool = False,
) -> Iterator[Any]:
    """A lab. `aside`: words to people go to the other stream, since a program reads this one."""
    from torchpin.lab import lab as lab_lab
    from torchpin.output import terminal

    say = terminal.aside if aside else terminal.say
    repo, environments = open_workspace(service, variant)
    with lab_lab.opened(repo, environments, beside=beside, docker=docker, say=say) as opened:
        yield opened
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
    from torchpin.lab import lab as lab_lab
    from torchpin.output import progress as output_progress
    from torchpin.output import terminal

    programs = progress == "json"
    say = terminal.aside if programs else terminal.say
    tell = terminal.outcomes_json if programs else terminal.outcomes
    with open_lab(service, variant, aside=programs) as opened:
        repo, environments = opened.repo, opened.environments
        code = tell(commands_lock.lock(repo, environments, say=say))
        code = code or tell(commands_clone.clone(repo, environments))
        if code:
            return code
        if opened.engine:
            with output_progress.build(progress) as watch:
                made = commands_build.build(repo, environments, options, say=say, watch=watch)
        else:
            made = tuple(commands_install.install(repo, env, say=say) for env in environments)
        code = tell(made)
        if len(made) > 1 and not programs:
            terminal.summary(made)
        if code:
            for log in lab_lab.keep_logs(opened):
                say(f"lab: the build's log was kept: {log}")
        if code or options.dry_run:
            return code
        tell(generate.document(repo))
        results = commands_judge.verify(repo, environments)
        terminal.results(results, quiet=True, aside=programs)
        done = (
            "built and proven as an image"
            if opened.engine
            else f"installed and proven without an image ({opened.why})"
        )
        if not commands_judge.failures(results):
            say(f"lab: locked, cloned, rendered, {done}, documented and verified")
        return commands_judge.failures(results)


def bump_in_lab(plans: Sequence[Any], asked: Any, channel: str, reason: str, options: Any) -> None:
    """Each service that moves: locked, built and proven as it is, then bumped through all steps, then verified."""
    from torchpin.bump import plan
    from torchpin.commands import build as commands_build
    from torchpin.commands import bump as commands_bump
    from torchpin.commands import lock as commands_lock
    from torchpin.description import environments as description_environments
    from torchpin.output import terminal

    for one in plans:
        if not one.moves:
            continue
        beside = description_environments.environments([one.described])
        with open_lab(one.service, "", beside=beside) as opened:
            repo, environments = opened.repo, opened.environments
            exit_with(terminal.outcomes(commands_lock.lock(repo, environments, say=terminal.say)))
            if opened.engine and options.build:
                exit_with(
                    terminal.outcomes(
                        commands_build.build(repo, environments, commands_build.Options(), say=terminal.say)
                    )
                )
            ground = commands_bump.ground(repo, asked, services=[one.service], channel=channel, reason=reason)
            found = plan.plans(repo.services, asked, ground)
            terminal.bump(found, asked, {each.service: commands_bump.derived(each) for each in found})
            exit_with(
                terminal.outcomes(commands_bump.bump(repo, found, asked, ground, options, say=terminal.say))
            )
