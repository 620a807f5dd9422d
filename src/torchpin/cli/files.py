"""The tasks that write or compare committed files: lock, render, document, export, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Context, task

from torchpin.cli.common import (
    CHECK,
    LAB,
    ONE_SERVICE,
    SERVICE,
    VARIANT,
    exit_with,
    open_workspace,
    plain_errors,
    print_checked,
    split_names,
    waiver_notices,
)
from torchpin.cli.lab import open_lab
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


@task(
    iterable=["upgrade_package"],
    help={
        **SERVICE,
        **VARIANT,
        **CHECK,
        **LAB,
        "upgrade_package": "let this package move to the newest version that fits; may be given several times",
        "recorded": "read torch's channels from the recorded facts instead of PyTorch's index",
    },
)
def lock(
    _: Context,
    service: str = "",
    variant: str = "",
    check: bool = False,
    upgrade_package: Sequence[str] | None = None,  # a tuple would make invoke take words apart
    recorded: bool = False,
    lab: bool = False,
) -> None:
    """Resolve each environment and write its lock, with the renderings and documents that follow."""
    from torchpin.commands import judge as commands_judge
    from torchpin.commands import lock as commands_lock
    from torchpin.output import terminal

    with plain_errors():
        if lab:
            if check or upgrade_package or recorded:
                raise InputError(
                    "--lab goes with --service and --variant alone: it locks its own scratch copy."
                )
            with open_lab(service, variant, docker=False) as opened:
                exit_with(
                    terminal.outcomes(commands_lock.lock(opened.repo, opened.environments, say=terminal.say))
                )
            return
        repo, environments = open_workspace(service, variant)
        if check:
            print_checked(commands_judge.check(repo, environments, "LCK"))
        else:
            made = commands_lock.lock(
                repo, environments, upgrade=upgrade_package or (), recorded=recorded, say=terminal.say
            )
            exit_with(terminal.outcomes(made))


@task(help={**SERVICE, **VARIANT, **CHECK})
def render(_: Context, service: str = "", variant: str = "", check: bool = False) -> None:
    """Write each environment's Dockerfile and the list of what its build context holds."""
    from torchpin.commands import generate
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace(service, variant)
        if check:
            print_checked(commands_judge.check(repo, environments, "DKR", "LCK002"))
        else:
            exit_with(terminal.outcomes(generate.rendering(repo, environments)))


@task(help=CHECK)
def document(_: Context, check: bool = False) -> None:
    """Write the generated sections of docs/PINNING.md, docs/GPUS.md, docs/CHECKS.md and DEVIATIONS.md."""
    from torchpin.commands import generate
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace()
        if check:
            print_checked(commands_judge.check(repo, environments, "DOC", "LCK002"))
        else:
            exit_with(terminal.outcomes(generate.document(repo)))


@task(
    help={
        **SERVICE,
        **LAB,
        "json": "one JSON document instead of text",
        "require": "fail when a check that needs one of these could not run: docker,gpu,network (and image,clone,record)",
    },
)
def verify(_: Context, service: str = "", json: bool = False, require: str = "", lab: bool = False) -> None:
    """Run every check on what is committed, cloned, built and recorded."""
    from torchpin.commands import clone as commands_clone
    from torchpin.commands import lock as commands_lock
    from torchpin.output import terminal

    with plain_errors():
        needed = split_names(require)
        unknown = sorted({*needed} - {"docker", "gpu", "network", "image", "clone", "record"})
        if unknown:
            raise InputError(
                f"--require knows docker, gpu, network, image, clone and record, not {', '.join(unknown)}."
            )
        if lab:
            with open_lab(service, "", docker=False, aside=json) as opened:
                made = (
                    *commands_lock.lock(opened.repo, opened.environments),
                    *commands_clone.clone(opened.repo, opened.environments),
                )
                exit_with(terminal.outcomes(made, aside=json))
                _verified(opened.repo, opened.environments, needed, json=json)
            return
        repo, environments = open_workspace(service)
        _verified(repo, environments, needed, json=json)


def _verified(
    repo: Repository, environments: Sequence[Environment], needed: Sequence[str], *, json: bool
) -> None:
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    results = commands_judge.verify(repo, environments, require=needed)
    notices = waiver_notices(environments)
    if json:
        terminal.results_json(results, notices=notices)
    else:
        terminal.results(results, notices=notices)
    exit_with(commands_judge.failures(results, require=needed))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "format": "requirements (offline, hashed, without addresses) or pylock (PEP 751, with today's addresses)",
    },
)
def export(_: Context, service: str, variant: str = "", format: str = "requirements") -> None:  # noqa: A002 - the option's name
    """Print a lock in a standard form."""
    from torchpin.commands import lock as commands_lock
    from torchpin.output import terminal

    with plain_errors():
        if format not in {"requirements", "pylock"}:
            raise InputError(f"--format is requirements or pylock, not {format!r}.")
        repo, environments = open_workspace(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        terminal.raw(commands_lock.export(repo, environments[0], format))
