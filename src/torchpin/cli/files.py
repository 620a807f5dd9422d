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
    exit_if_failed,
    handle_errors,
    open_repository,
    report_checks,
    split_names,
    waiver_notices,
)
from torchpin.cli.lab import lab_session
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

    with handle_errors():
        if lab:
            if check or upgrade_package or recorded:
                raise InputError(
                    "--lab goes with --service and --variant alone: it locks its own scratch copy."
                )
            with lab_session(service, variant, docker=False) as scratch:
                exit_if_failed(
                    terminal.print_outcomes(
                        commands_lock.lock(scratch.repo, scratch.environments, say=terminal.print_line)
                    )
                )
            return
        repo, environments = open_repository(service, variant)
        if check:
            report_checks(commands_judge.check(repo, environments, "LCK"))
        else:
            outcomes = commands_lock.lock(
                repo, environments, upgrade=upgrade_package or (), recorded=recorded, say=terminal.print_line
            )
            exit_if_failed(terminal.print_outcomes(outcomes))


@task(help={**SERVICE, **VARIANT, **CHECK})
def render(_: Context, service: str = "", variant: str = "", check: bool = False) -> None:
    """Write each environment's Dockerfile and the list of what its build context holds."""
    from torchpin.commands import generate
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository(service, variant)
        if check:
            report_checks(commands_judge.check(repo, environments, "DKR", "LCK002"))
        else:
            exit_if_failed(terminal.print_outcomes(generate.write_renderings(repo, environments)))


@task(help=CHECK)
def document(_: Context, check: bool = False) -> None:
    """Write the generated sections of docs/PINNING.md, docs/GPUS.md, docs/CHECKS.md and DEVIATIONS.md."""
    from torchpin.commands import generate
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository()
        if check:
            report_checks(commands_judge.check(repo, environments, "DOC", "LCK002"))
        else:
            exit_if_failed(terminal.print_outcomes(generate.write_documents(repo)))


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

    with handle_errors():
        needed = split_names(require)
        unknown = sorted({*needed} - {"docker", "gpu", "network", "image", "clone", "record"})
        if unknown:
            raise InputError(
                f"--require knows docker, gpu, network, image, clone and record, not {', '.join(unknown)}."
            )
        if lab:
            with lab_session(service, "", docker=False, to_stderr=json) as scratch:
                outcomes = (
                    *commands_lock.lock(scratch.repo, scratch.environments),
                    *commands_clone.clone(scratch.repo, scratch.environments),
                )
                exit_if_failed(terminal.print_outcomes(outcomes, aside=json))
                _report_verification(scratch.repo, scratch.environments, needed, json=json)
            return
        repo, environments = open_repository(service)
        _report_verification(repo, environments, needed, json=json)


def _report_verification(
    repo: Repository, environments: Sequence[Environment], needed: Sequence[str], *, json: bool
) -> None:
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    results = commands_judge.verify(repo, environments, require=needed)
    notices = waiver_notices(environments)
    if json:
        terminal.print_results_json(results, notices=notices)
    else:
        terminal.print_results(results, notices=notices)
    exit_if_failed(commands_judge.exit_code(results, require=needed))


@task(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "format": "requirements (offline, hashed, without addresses) or pylock (PEP 751, with today's addresses)",
    },
)
def export(_: Context, service: str, variant: str = "", format: str = "requirements") -> None:
    """Print a lock in a standard form."""
    from torchpin.commands import lock as commands_lock
    from torchpin.output import terminal

    with handle_errors():
        if format not in {"requirements", "pylock"}:
            raise InputError(f"--format is requirements or pylock, not {format!r}.")
        repo, environments = open_repository(service, variant)
        if len(environments) > 1:
            raise InputError(f"{service} has several variants; choose one with --variant.")
        terminal.print_raw(commands_lock.export(repo, environments[0], format))
