"""The tasks around images and installations: build, install, run, freeze, clone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from torchpin.cli.common import LAB, ONE_SERVICE, SERVICE, VARIANT, exit_with, open_workspace, plain_errors
from torchpin.cli.lab import build_in_lab, open_lab
from torchpin.errors import InputError, ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment


@task(help={**SERVICE, **LAB})
def clone(_: Context, service: str = "", lab: bool = False) -> None:
    """Clone every source at its tag into third_party/; the tag must give the recorded commit."""
    from torchpin.commands import clone as commands_clone
    from torchpin.output import terminal

    with plain_errors():
        if lab:
            with open_lab(service, "", docker=False) as opened:
                exit_with(terminal.outcomes(commands_clone.clone(opened.repo, opened.environments)))
            return
        repo, environments = open_workspace(service)
        exit_with(terminal.outcomes(commands_clone.clone(repo, environments)))


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
    from torchpin.output import progress as output_progress
    from torchpin.output import terminal

    with plain_errors():
        if progress not in {"auto", "plain", "json"}:
            raise InputError(f"--progress is auto, plain or json, not {progress!r}.")
        options = commands_build.Options(
            platform=platform, builder=builder, push=push, no_cache=no_cache, dry_run=dry_run
        )
        if lab:
            if push:
                raise InputError("--push and --lab do not go together: the lab's images stay in the lab.")
            exit_with(build_in_lab(service, variant, options, progress))
            return
        repo, environments = open_workspace(service, variant)
        try:
            say = terminal.aside if progress == "json" else terminal.say
            with output_progress.build(progress) as watch:
                made = commands_build.build(repo, environments, options, say=say, watch=watch)
        except ToolError as error:
            raise ToolError(f"{error}\n{_native_way(environments)}") from None
        code = terminal.outcomes_json(made) if progress == "json" else terminal.outcomes(made)
        if len(made) > 1 and progress != "json":
            terminal.summary(made)
        exit_with(code)


def _native_way(environments: Sequence[Environment]) -> str:
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

    with plain_errors():
        if lab:
            if into:
                raise InputError(
                    "--into and --lab do not go together: the lab's environment stays in the lab."
                )
            with open_lab(service, variant, docker=False) as opened:
                code = terminal.outcomes(
                    commands_lock.lock(opened.repo, opened.environments, say=terminal.say)
                )
                exit_with(code)
                exit_with(
                    terminal.outcomes(
                        [
                            commands_install.install(opened.repo, env, say=terminal.say)
                            for env in opened.environments
                        ]
                    )
                )
            return
        repo, environments = open_workspace(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        place = Path(into).absolute() if into else None
        exit_with(
            terminal.outcomes([commands_install.install(repo, environments[0], into=place, say=terminal.say)])
        )


@task(help={**SERVICE, **VARIANT})
def freeze(_: Context, service: str = "", variant: str = "") -> None:
    """Read each image again and compare it with its lock and its record."""
    from torchpin.commands import images
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace(service, variant)
        exit_with(terminal.outcomes(images.freeze(repo, environments)))


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

    with plain_errors():
        repo, environments = open_workspace(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        words, code = images.run(repo, environments[0], command=shlex.split(command), dry_run=dry_run)
        if dry_run:
            terminal.say(shlex.join(words))
        exit_with(code)
