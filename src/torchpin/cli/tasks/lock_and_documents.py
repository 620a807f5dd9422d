"""The tasks that write or compare committed files: lock, render, document, export, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.cli.command_line import command
from torchpin.cli.common import (
    CHECK,
    JSON,
    LAB,
    ONE_SERVICE,
    OVERWRITE,
    RECORDED,
    SERVICE,
    STRICT,
    VARIANT,
    document_form,
    require_choice,
    split_names,
    task_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

    from torchpin.commands.lab import LabStage


@command(
    iterable=["upgrade_package"],
    help={
        **SERVICE,
        **VARIANT,
        **CHECK,
        **LAB,
        "upgrade_package": "update this package to the newest compatible version; may be given several times",
        **RECORDED,
        "refresh": "also resolve locks that are up to date, to see what an index has withdrawn or changed since",
        **OVERWRITE,
        **JSON,
    },
)
def lock(
    _: Context,
    service: str = "",
    variant: str = "",
    check: bool = False,
    upgrade_package: Sequence[str] | None = None,  # a tuple would make invoke take words apart
    recorded: bool = False,
    refresh: bool = False,
    lab: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Resolve each environment and write its lock, Dockerfile and documents."""
    from torchpin.commands.lab import workspace_for
    from torchpin.commands.lock_or_check import LockOptions, lock_workspace
    from torchpin.commands.selection import Selection
    from torchpin.output.documents import print_report_document

    with task_run(document_form(json=json)) as run:
        upgrade = tuple(upgrade_package or ())
        options = LockOptions(
            check=check, upgrade=upgrade, recorded=recorded, refresh=refresh, lab=lab, overwrite=overwrite
        )
        selection = Selection(service=service, variant=variant)
        with workspace_for(selection, lab=lab, watcher=run.watcher) as workspace:
            report = lock_workspace(workspace, options, run.watcher)
            if json:
                print_report_document(report)
                run.end_with(report.exit_code)
            else:
                run.report(report)


@command(help={**SERVICE, **VARIANT, **CHECK, **OVERWRITE})
def render(
    _: Context, service: str = "", variant: str = "", check: bool = False, overwrite: bool = False
) -> None:
    """Write each environment's Dockerfile and the list of its build context."""
    from torchpin.commands.generate import render_workspace
    from torchpin.commands.selection import Selection, open_workspace

    with task_run() as run:
        workspace = open_workspace(Selection(service=service, variant=variant), run.watcher)
        run.report(render_workspace(workspace, check=check, overwrite=overwrite))


@command(help={**CHECK, **OVERWRITE})
def document(_: Context, check: bool = False, overwrite: bool = False) -> None:
    """Write the generated sections of the documents: docs/, the page of each service, and DEVIATIONS.md."""
    from torchpin.commands.generate import document_workspace
    from torchpin.commands.selection import Selection, open_workspace

    with task_run() as run:
        run.report(
            document_workspace(open_workspace(Selection(), run.watcher), check=check, overwrite=overwrite)
        )


@command(
    help={
        **SERVICE,
        **LAB,
        **JSON,
        "require": "fail if a check that needs any of these was skipped: docker,gpu,network,image,clone,record",
        **STRICT,
    },
)
def verify(
    _: Context,
    service: str = "",
    json: bool = False,
    require: str = "",
    strict: bool = False,
    lab: bool = False,
) -> None:
    """Run every check on what is committed, cloned, built and recorded."""
    from torchpin.commands.judge import VerifyOptions, verify_workspace
    from torchpin.commands.lab import workspace_for
    from torchpin.commands.selection import Selection

    with task_run(document_form(json=json)) as run:
        options = VerifyOptions(require=split_names(require), strict=strict)
        selection = Selection(service=service)
        needs: Sequence[LabStage] = ("lock", "clone")
        with workspace_for(selection, lab=lab, watcher=run.watcher, needs=needs, partly=True) as workspace:
            run.report(verify_workspace(workspace, options))


@command(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "format": "requirements (offline, hashed), pylock (PEP 751, with the address of each file, which PyPI is asked for), "
        "cyclonedx or spdx (offline, the software bill of materials)",
    },
)
def export(_: Context, service: str, variant: str = "", format: str = "requirements") -> None:
    """Print a lock in a standard format."""
    from torchpin.commands.export import FORMATS, export
    from torchpin.commands.selection import Selection, open_workspace
    from torchpin.output.terminal import print_raw

    with task_run() as run:
        require_choice("--format", format, tuple(FORMATS))
        workspace = open_workspace(Selection(service=service, variant=variant), run.watcher)
        print_raw(export(workspace.repo, workspace.single_environment(), format))
