"""The tasks around images and installations: build, install, run, freeze, clone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from torchpin.cli.common import (
    LAB,
    ONE_SERVICE,
    SERVICE,
    VARIANT,
    exit_if_failed,
    handle_errors,
    open_repository,
)
from torchpin.cli.lab import build_in_lab, lab_session
from torchpin.errors import InputError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment


@task(help={**SERVICE, **LAB})
def clone(_: Context, service: str = "", lab: bool = False) -> None:
    """Clone every source at its tag into third_party/; the tag must give the recorded commit."""
    from torchpin.commands import clone as commands_clone
    from torchpin.output import terminal

    with handle_errors():
        if lab:
            with lab_session(service, "", docker=False) as scratch:
                exit_if_failed(
                    terminal.print_outcomes(commands_clone.clone(scratch.repo, scratch.environments))
                )
            return
        repo, environments = open_repository(service)
        exit_if_failed(terminal.print_outcomes(commands_clone.clone(repo, environments)))


@task(
    help={
        **SERVICE,
        **VARIANT,
        **LAB,
        "platform": "only environments of this platform, such as linux/amd64",
        "push": "push the proven image to build.registry of torchpin.toml",
        "no_cache": "build even if the image is there, and take no layer from the cache",
        "builder": "the buildx builder to use",
        "progress": "auto (a live table on a terminal), plain or json",
        "dry_run": "show the command, run nothing",
    },
)
def build(
    _: Context,
    service: str = "",
    variant: str = "",
    platform: str = "",
    push: bool = False,
    no_cache: bool = False,
    builder: str = "",
    progress: str = "auto",
    dry_run: bool = False,
    lab: bool = False,
) -> None:
    """Build each image from its lock, prove it from the inside, and record what it holds."""
    from torchpin.commands import build as commands_build
    from torchpin.output import terminal
    from torchpin.output.progress import build_progress

    with handle_errors():
        if progress not in {"auto", "plain", "json"}:
            raise InputError(f"--progress is auto, plain or json, not {progress!r}.")
        options = commands_build.BuildOptions(
            platform=platform, builder=builder, push=push, no_cache=no_cache, dry_run=dry_run
        )
        if lab:
            if push:
                raise InputError("--push and --lab do not go together: the lab's images stay in the lab.")
            exit_if_failed(build_in_lab(service, variant, options, progress))
            return
        repo, environments = open_repository(service, variant)
        try:
            say = terminal.print_status if progress == "json" else terminal.print_line
            with build_progress(progress) as watch:
                outcomes = commands_build.build(repo, environments, options, say=say, watch=watch)
        except ToolError as error:
            raise ToolError(f"{error}\n{_without_docker_hint(environments)}") from None
        code = (
            terminal.print_outcomes_json(outcomes)
            if progress == "json"
            else terminal.print_outcomes(outcomes)
        )
        if len(outcomes) > 1 and progress != "json":
            terminal.print_summary(outcomes)
        exit_if_failed(code)


def _without_docker_hint(environments: Sequence[Environment]) -> str:
    name = environments[0].service.name
    return (
        "Start a Docker engine with buildx (`invoke doctor` tells more), or take the native way, without Docker:\n"
        f"    invoke install --service {name}"
    )


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        **LAB,
        "into": "the folder of the environment; .venvs/<environment> when left out",
    }
)
def install(_: Context, service: str, variant: str = "", into: str = "", lab: bool = False) -> None:
    """Install a service on this machine from the same lock and prove it, without Docker."""
    from torchpin.commands import install as commands_install
    from torchpin.commands import lock as commands_lock
    from torchpin.output import terminal

    with handle_errors():
        if lab:
            if into:
                raise InputError(
                    "--into and --lab do not go together: the lab's environment stays in the lab."
                )
            with lab_session(service, variant, docker=False) as scratch:
                code = terminal.print_outcomes(
                    commands_lock.lock(scratch.repo, scratch.environments, say=terminal.print_line)
                )
                exit_if_failed(code)
                exit_if_failed(
                    terminal.print_outcomes(
                        [
                            commands_install.install(scratch.repo, env, say=terminal.print_line)
                            for env in scratch.environments
                        ]
                    )
                )
            return
        repo, environments = open_repository(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        path = Path(into).absolute() if into else None
        exit_if_failed(
            terminal.print_outcomes(
                [commands_install.install(repo, environments[0], into=path, say=terminal.print_line)]
            )
        )


@task(help={**SERVICE, **VARIANT})
def freeze(_: Context, service: str = "", variant: str = "") -> None:
    """Read each image again and compare it with its lock and its record."""
    from torchpin.commands import images
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository(service, variant)
        exit_if_failed(terminal.print_outcomes(images.freeze(repo, environments)))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "command": "what to run instead of the described command, as one string",
        "dry_run": "show the command, run nothing",
    }
)
def run(_: Context, service: str, variant: str = "", command: str = "", dry_run: bool = False) -> None:
    """Run a service's container with its described ports, volumes and environment, and the GPUs if there are any."""
    import shlex

    from torchpin.commands import images
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        arguments, code = images.run(repo, environments[0], command=shlex.split(command), dry_run=dry_run)
        if dry_run:
            terminal.print_line(shlex.join(arguments))
        exit_if_failed(code)
