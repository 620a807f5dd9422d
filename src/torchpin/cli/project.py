"""The tasks about services and projects: new, services, doctor, adopt, diff, audit, facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from torchpin.cli.common import JSON, SERVICE, STATE, exit_with, open_workspace, plain_errors
from torchpin.errors import FINDINGS, TOOL, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@task(help={"service": "the new service's name: lower-case letters, digits and inner dashes"})
def new(_: Context, service: str) -> None:
    """Write the description of a new service, small and ready to be locked."""
    from torchpin.commands import new as commands_new
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd()))
        exit_with(terminal.outcomes(commands_new.scaffold(repo, service)))


@task
def services(_: Context) -> None:
    """Show every service: its variants and pins, and the state of lock, image and record."""
    from torchpin.commands import services as commands_services
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace()
        terminal.table("", commands_services.HEADERS, commands_services.services(repo, environments))


@task
def doctor(_: Context) -> None:
    """Look at this machine: Python, uv, git, Docker, disk, GPU, and whether each index and source answers."""
    from torchpin.commands import doctor as commands_doctor
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace()
        rows = commands_doctor.doctor(repo, environments)
        terminal.table(
            "",
            ("what", "state", "found", "what to do"),
            [(r.what, "ok" if r.ok else "missing", r.found, "" if r.ok else r.remedy) for r in rows],
        )
        exit_with(TOOL if any(not row.ok and row.needed for row in rows) else 0)


@task(
    iterable=["channel"],
    help={
        "check": "whether every fact has a source and a date, none contradicts another, and none is too old",
        "refresh": "compare the recorded index pages with PyTorch's index, or its mirrors, as they are today",
        "channel": "a channel to refresh; may be given several times; all that are recorded when left out",
        "write": "keep what --refresh found",
        "accept_changed_hashes": "keep it even where a recorded file has another hash today",
    },
)
def facts(
    _: Context,
    check: bool = False,
    refresh: bool = False,
    channel: Sequence[str] | None = None,
    write: bool = False,
    accept_changed_hashes: bool = False,
) -> None:
    """Check the facts that verdicts rest on, or compare their index pages with the index of today."""
    import datetime as dt

    from torchpin.commands import facts as commands_facts
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with plain_errors():
        today = dt.datetime.now(tz=dt.timezone.utc).date()
        if check == refresh:
            raise InputError("Give --check or --refresh.")
        if check and (channel or write or accept_changed_hashes):
            raise InputError("--channel, --write and --accept-changed-hashes go with --refresh.")
        if check:
            found = commands_facts.check(today)
            terminal.facts(found)
            exit_with(found.code)
            return
        repo = workspace.opened(workspace.find(Path.cwd()))
        renewed = commands_facts.refresh(
            repo,
            channel or (),
            today=today,
            write=write,
            accept_changed_hashes=accept_changed_hashes,
        )
        for line in commands_facts.told(renewed):
            terminal.say(line)
        exit_with(renewed.code)


@task(
    help={
        "path": "the folder of the project to read",
        "write": "services/NAME: keep the draft there as a service of this repository",
        **JSON,
    }
)
def adopt(_: Context, path: str, write: str = "", json: bool = False) -> None:
    """Read a project's Dockerfiles and requirement files: draft its description, judge it, and name the traps."""
    from torchpin.commands import adopt as commands_adopt
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd())) if write else None
        name = commands_adopt.target(repo, write) if repo else ""
        found = commands_adopt.adopt(Path(path), name=name)
        if json:
            terminal.adopted_json(found)
        else:
            terminal.adopted(found)
        if repo:
            exit_with(terminal.outcomes(commands_adopt.write(repo, found), aside=json))
        if not found.adoption.text:
            raise InputError(f"No description was drafted: {found.adoption.missing}.")
        exit_with(FINDINGS if found.open else 0)


@task(positional=["before", "after"], help={"before": STATE, "after": STATE, **SERVICE, **JSON})
def diff(_: Context, before: str, after: str, service: str = "", json: bool = False) -> None:
    """Show what changed between two states: packages, their download, Python, channel, base, torch and sources."""
    from dataclasses import asdict

    from torchpin.commands import diff as commands_diff
    from torchpin.output import terminal
    from torchpin.queries.diff import DIFF_HEADERS, diff_rows, total
    from torchpin.workspace import workspace

    with plain_errors():
        repo = workspace.opened(workspace.find(Path.cwd()))
        found = commands_diff.diff(repo, before, after, service=service, below=Path.cwd())
        if json:
            terminal.print_json([asdict(one) for one in found])
            return
        rows = diff_rows(found)
        if rows:
            terminal.table("", DIFF_HEADERS, rows)
        for one in found:
            terminal.say(total(one))


@task(help={**SERVICE, **JSON})
def audit(_: Context, service: str = "", json: bool = False) -> None:
    """Ask for known vulnerabilities of the locked packages; accepted ones are shown with their date."""
    from torchpin.commands import audit as commands_audit
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with plain_errors():
        repo, environments = open_workspace(service)
        found = commands_audit.audit(repo, environments)
        if json:
            terminal.results_json(found.results, notices=found.notices)
        else:
            terminal.results(found.results, notices=found.notices)
        exit_with(commands_judge.failures(found.results, require=("lock",)))
