"""The tasks about services and projects: new, services, doctor, adopt, diff, audit, facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, task

from torchpin.cli.common import JSON, SERVICE, STATE_HELP, exit_if_failed, handle_errors, open_repository
from torchpin.errors import FINDINGS, TOOL, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@task(help={"service": "the new service's name: lower-case letters, digits and inner dashes"})
def new(_: Context, service: str) -> None:
    """Write the description of a new service, small and ready to be locked."""
    from torchpin.commands.new import write_scaffold
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with handle_errors():
        repo = workspace.open_repository(workspace.find_root(Path.cwd()))
        exit_if_failed(terminal.print_outcomes(write_scaffold(repo, service)))


@task
def services(_: Context) -> None:
    """Show every service: its variants and pins, and the state of lock, image and record."""
    from torchpin.commands.services import HEADERS, service_rows
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository()
        terminal.print_table("", HEADERS, service_rows(repo, environments))


@task
def doctor(_: Context) -> None:
    """Look at this machine: Python, uv, git, Docker, disk, GPU, and whether each index and source answers."""
    from torchpin.commands.doctor import check_machine
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository()
        rows = check_machine(repo, environments)
        terminal.print_table(
            "",
            ("what", "state", "found", "what to do"),
            [
                (row.name, "ok" if row.ok else "missing", row.detail, "" if row.ok else row.help)
                for row in rows
            ],
        )
        exit_if_failed(TOOL if any(not row.ok and row.needed for row in rows) else 0)


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

    from torchpin.commands.facts import check_facts, refresh_report, refresh_snapshots
    from torchpin.output import terminal
    from torchpin.workspace import workspace

    with handle_errors():
        today = dt.datetime.now(tz=dt.timezone.utc).date()
        if check == refresh:
            raise InputError("Give --check or --refresh.")
        if check and (channel or write or accept_changed_hashes):
            raise InputError("--channel, --write and --accept-changed-hashes go with --refresh.")
        if check:
            outcome = check_facts(today)
            terminal.print_facts(outcome)
            exit_if_failed(outcome.code)
            return
        repo = workspace.open_repository(workspace.find_root(Path.cwd()))
        renewed = refresh_snapshots(
            repo,
            channel or (),
            today=today,
            write=write,
            accept_changed_hashes=accept_changed_hashes,
        )
        for line in refresh_report(renewed):
            terminal.print_line(line)
        exit_if_failed(renewed.code)


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

    with handle_errors():
        repo = workspace.open_repository(workspace.find_root(Path.cwd())) if write else None
        name = commands_adopt.parse_destination(repo, write) if repo else ""
        draft = commands_adopt.adopt(Path(path), name=name)
        if json:
            terminal.print_adoption_json(draft)
        else:
            terminal.print_adoption(draft)
        if repo:
            exit_if_failed(terminal.print_outcomes(commands_adopt.write(repo, draft), aside=json))
        if not draft.adoption.text:
            raise InputError(f"No description was drafted: {draft.adoption.missing}.")
        exit_if_failed(FINDINGS if draft.has_problems else 0)


@task(positional=["before", "after"], help={"before": STATE_HELP, "after": STATE_HELP, **SERVICE, **JSON})
def diff(_: Context, before: str, after: str, service: str = "", json: bool = False) -> None:
    """Show what changed between two states: packages, their download, Python, channel, base, torch and sources."""
    from dataclasses import asdict

    from torchpin.commands.diff import compare_states
    from torchpin.output import terminal
    from torchpin.queries.diff import DIFF_HEADERS, diff_rows, summary_line
    from torchpin.workspace import workspace

    with handle_errors():
        repo = workspace.open_repository(workspace.find_root(Path.cwd()))
        differences = compare_states(repo, before, after, service=service, directory=Path.cwd())
        if json:
            terminal.print_json([asdict(difference) for difference in differences])
            return
        rows = diff_rows(differences)
        if rows:
            terminal.print_table("", DIFF_HEADERS, rows)
        for difference in differences:
            terminal.print_line(summary_line(difference))


@task(help={**SERVICE, **JSON})
def audit(_: Context, service: str = "", json: bool = False) -> None:
    """Ask for known vulnerabilities of the locked packages; accepted ones are shown with their date."""
    from torchpin.commands import audit as commands_audit
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    with handle_errors():
        repo, environments = open_repository(service)
        audit_report = commands_audit.audit(repo, environments)
        if json:
            terminal.print_results_json(audit_report.results, notices=audit_report.notices)
        else:
            terminal.print_results(audit_report.results, notices=audit_report.notices)
        exit_if_failed(commands_judge.exit_code(audit_report.results, require=("lock",)))
