"""The tasks about services and projects: init, eject, new, remove, services, report, doctor, adopt, check, diff, audit, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.cli.command_line import command
from torchpin.cli.common import (
    HTML,
    JSON,
    MARKDOWN,
    ONE_SERVICE,
    OVERWRITE,
    RECORDED,
    SERVICE,
    STATE_HELP,
    document_form,
    require_choice,
    single_form,
    task_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context


@command(help={"example": "with a service that can be locked at once"})
def init(_: Context, example: bool = False) -> None:
    """Make the current folder, which is in git, a repository of services; files that exist are kept."""
    from torchpin.commands.init import initialize

    with task_run() as run:
        run.report(initialize(example=example))


@command(help={"part": "template (of Dockerfiles) or runtime (the scripts that images carry)"})
def eject(_: Context, part: str) -> None:
    """Write torchpin's template or scripts into docker/, where they can be changed; files that exist are kept."""
    from torchpin.commands.eject import eject

    with task_run() as run:
        run.report(eject(part))


@command(
    iterable=["gpu"],
    help={
        "service": "the new service's name: lower-case letters, digits and inner dashes",
        "gpu": "a GPU that it has to run on; may be given several times",
        "torch": "a release or series of torch, such as 2.9; the newest whose metadata are recorded if omitted",
        "python": "a Python, such as 3.12",
        "from_": "the folder of a project whose Dockerfiles and requirement files are adopted",
    },
)
def new(
    _: Context,
    service: str,
    gpu: Sequence[str] | None = None,
    torch: str = "",
    python: str = "",
    from_: str = "",
) -> None:
    """Write the description of a new service, ready to be locked; channel, base image and partners are chosen from facts."""
    from torchpin.commands.new import NewOptions, create_service
    from torchpin.queries.starting_pins import PinRequest

    with task_run() as run:
        pins = PinRequest(gpus=tuple(gpu or ()), torch=torch, python=python)
        run.report(create_service(NewOptions(service=service, pins=pins, project=from_)))


@command
def schema(_: Context) -> None:
    """Print the JSON Schema of service.yaml, for editors; docs/SERVICE.md says the same to people."""
    from torchpin.description.schema import schema_text
    from torchpin.output.terminal import print_raw

    with task_run():
        print_raw(schema_text())


@command(help={"shell": "bash, zsh or fish"})
def completion(_: Context, shell: str) -> None:
    """Print the script that completes tasks, options and names in a shell: `source <(torchpin completion bash)`."""
    from torchpin.cli.completion import completion_script
    from torchpin.output.answers import print_page
    from torchpin.output.program import program_name

    with task_run():
        print_page(completion_script(shell, program_name()))


@command(
    positional=["service", "package"],
    iterable=["package"],
    any_words=["package"],
    may_be_missing=["package"],
    help={
        **ONE_SERVICE,
        "package": "remove the pins of these packages alone, and lock again",
        "dry_run": "list what would be removed without removing anything",
        "everything": "also remove what was edited by hand, is not committed, or is not torchpin's; of whole services only",
        **RECORDED,
        **OVERWRITE,
    },
)
def remove(
    _: Context,
    service: str,
    package: Sequence[str] | None = None,
    dry_run: bool = False,
    everything: bool = False,
    recorded: bool = False,
    overwrite: bool = False,
) -> None:
    """Remove packages of a service, or without packages the service: its folder, lock, rendered files, record, sections."""
    from torchpin.commands.remove import RemoveOptions, remove_service
    from torchpin.commands.remove_packages import remove_packages
    from torchpin.output.answers import print_pin_edit

    with task_run() as run:
        options = RemoveOptions(
            service=service, packages=tuple(package or ()), dry_run=dry_run, everything=everything,
            recorded=recorded, overwrite=overwrite,
        )  # fmt: skip
        if options.packages:
            print_pin_edit(remove_packages(options, run.watcher))
        else:
            run.report(remove_service(options, run.watcher))


@command(help=JSON)
def services(_: Context, json: bool = False) -> None:
    """List every environment with its verdict, pins and GPUs, and the state of lock, image and record."""
    from torchpin.commands.selection import Selection, open_workspace
    from torchpin.commands.services import list_services
    from torchpin.output.answers import print_services

    with task_run(document_form(json=json)) as run:
        workspace = open_workspace(Selection(), run.watcher, partly=True)
        print_services(list_services(workspace), json=json)
        run.end_with(workspace.exit_code)


@command(help={**SERVICE, **HTML, **JSON})
def report(_: Context, service: str = "", html: str = "", json: bool = False) -> None:
    """Report how the services stand: verdicts, GPUs, findings, deviations, last updates, records and sizes."""
    from torchpin.commands.report_page import report_selection, write_report
    from torchpin.commands.selection import Selection
    from torchpin.output.answers import print_report_summary
    from torchpin.output.report_page import render_report

    with task_run(document_form(json=json)) as run:
        collected = report_selection(Selection(service=service), run.watcher)
        print_report_summary(collected.report, json=json, is_written=bool(html))
        run.report(write_report(html, collected.report, render_report))
        run.end_with(collected.exit_code)


@command(help=JSON)
def doctor(_: Context, json: bool = False) -> None:
    """Check this machine: Python, uv, git, Docker, disk, GPU, and that each index and source can be reached."""
    from torchpin.commands.doctor import check_machine, machine_exit_code, open_machine
    from torchpin.output.answers import print_machine

    with task_run(document_form(json=json)) as run:
        workspace = open_machine(run.watcher)
        checks = check_machine(workspace.repo, workspace.environments)
        print_machine(checks, json=json)
        run.end_with(machine_exit_code(checks))
        run.end_with(workspace.exit_code)


@command(
    iterable=["channel", "package"],
    help={
        "check": "validate that every fact has a source and a date, is consistent with the others, and is not expired",
        "refresh": "compare the index snapshots with PyTorch's index, or its mirrors",
        "channel": "a channel to refresh; may be given several times; all recorded ones if omitted",
        "write": "write the refreshed snapshots",
        "measure": "read the facts of packages out of their releases on PyPI, and write them",
        "partners": "read what torch's partners require of torch out of their releases on PyPI, and write it",
        "package": "a package to measure; may be given several times; all of them if omitted",
        "accept_changed_hashes": "write them even if the hash of a recorded file has changed",
        **JSON,
    },
)
def facts(
    _: Context,
    check: bool = False,
    refresh: bool = False,
    channel: Sequence[str] | None = None,
    write: bool = False,
    accept_changed_hashes: bool = False,
    measure: bool = False,
    partners: bool = False,
    package: Sequence[str] | None = None,
    json: bool = False,
) -> None:
    """Validate the facts behind the verdicts, compare the index snapshots with PyTorch's index, or measure packages."""
    from torchpin.commands.facts import FactsOptions, examine_facts
    from torchpin.output.facts_report import print_facts_result

    with task_run(document_form(json=json)) as run:
        options = FactsOptions(
            check=check,
            refresh=refresh,
            channels=tuple(channel or ()),
            write=write,
            accept_changed_hashes=accept_changed_hashes,
            measure=measure,
            partners=partners,
            packages=tuple(package or ()),
        )
        result = examine_facts(options, run.watcher.status)
        print_facts_result(result, json=json)
        run.end_with(result.code)


@command(
    help={
        "path": "the folder of the project to read",
        "write": "services/NAME: write the draft there, as a service of this repository",
        "dockerfile": "the Dockerfile to draft from, by its path in the project; the likeliest one if omitted",
        "python": "a Python, such as 3.12",
        "base": "the base image with its tag, where no line tells it or another one is meant",
        "torch": "the release of torch, where no line tells it or another one is meant",
        "channel": "the channel of torch, such as cu128, where no line tells it or another one is meant",
        "resolve": "with --write: give packages without a version the newest that fits, and lock the service",
        "as_of": "today, commit (the project's last one) or a day such as 2025-03-31: nothing newer is chosen",
        **RECORDED,
        **JSON,
    }
)
def adopt(  # noqa: PLR0913, PLR0917 - a parameter for each option
    _: Context,
    path: str,
    write: str = "",
    dockerfile: str = "",
    python: str = "",
    base: str = "",
    torch: str = "",
    channel: str = "",
    resolve: bool = False,
    as_of: str = "today",
    recorded: bool = False,
    json: bool = False,
) -> None:
    """Draft a description from the files of a project; exit code 0 with a draft, whatever is found in it, and 2 without."""
    from torchpin.adopt.draft_values import DraftAnswers
    from torchpin.commands.adopt import AdoptOptions, adopt_project, resolve_draft, store_draft
    from torchpin.output.adoption import print_draft, print_steps
    from torchpin.output.terminal import ask_value

    with task_run(document_form(json=json)) as run:
        answers = DraftAnswers(python=python, base=base, torch=torch, channel=channel, file=dockerfile)
        options = AdoptOptions(
            folder=path, destination=write, answers=answers, resolve=resolve, as_of=as_of, recorded=recorded
        )
        adopted = adopt_project(options, None if json else ask_value)
        print_draft(adopted, json=json, is_written=bool(write))
        run.report(store_draft(adopted, options))
        if resolve:
            run.report(resolve_draft(adopted, options, run.watcher))
        if not json:
            print_steps(adopted.adoption.steps)


@command(
    positional=["files"],
    iterable=["files", "select", "ignore"],
    any_words=["files"],
    may_be_missing=["files"],
    help={
        "files": "files and folders; `-` is standard input; the current folder if omitted",
        "fail_on": "error or warning: exit with 1 for findings of this level and above",
        "select": "only rules whose ids begin with this; may be given several times",
        "ignore": "no rules whose ids begin with this; may be given several times",
        "baseline": "a file of findings that are known: only others fail",
        "write_baseline": "write the findings of now to the file of --baseline",
        "fix": "write the safe fixes: those that follow from the files and from facts alone",
        "unsafe_fixes": "write the other fixes too",
        "diff": "with --fix or --unsafe-fixes, or alone for the safe ones: show what would be written, and write nothing",
        "stdin_filename": "the name of `-`, which says what kind of file it is and where it is",
        **JSON,
        "sarif": "print one SARIF 2.1.0 document instead of text",
        "github": "print workflow commands that annotate a change on GitHub instead of text",
        **MARKDOWN,
    },
)
def check(  # noqa: PLR0913, PLR0917 - a parameter for each option
    _: Context,
    files: Sequence[str] | None = None,
    fail_on: str = "error",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    baseline: str = "",
    write_baseline: bool = False,
    fix: bool = False,
    unsafe_fixes: bool = False,
    diff: bool = False,
    stdin_filename: str = "",
    json: bool = False,
    sarif: bool = False,
    github: bool = False,
    markdown: bool = False,
) -> None:
    """Check Dockerfiles, requirement files, pyproject.toml, lock files and service.yaml of any project for what breaks or floats.

    The exit code is 1 for an error, with `--fail-on warning` for a warning too; `judge` has 1 for both.
    """
    from torchpin.commands.check import CheckOptions
    from torchpin.commands.check import check as check_files
    from torchpin.commands.standard_input import read_standard_input
    from torchpin.output.answers import print_check_report

    with task_run(document_form(json=json)) as run:
        form = single_form(json=json, sarif=sarif, github=github, markdown=markdown)
        require_choice("--fail-on", fail_on, ("error", "warning"))
        options = CheckOptions(
            paths=tuple(files or ()),
            stdin=read_standard_input() if "-" in (files or ()) else None,
            stdin_name=stdin_filename,
            select=tuple(select or ()),
            ignore=tuple(ignore or ()),
            fail_on="warning" if fail_on == "warning" else "error",
            baseline=baseline,
            write_baseline=write_baseline,
            fix="all" if unsafe_fixes else "safe" if fix or diff else "none",
            diff=diff,
        )
        report = check_files(options)
        print_check_report(report, form)
        run.end_with(report.exit_code)


@command(
    positional=["before", "after"],
    help={"before": STATE_HELP, "after": STATE_HELP, **SERVICE, **JSON, **MARKDOWN},
)
def diff(
    _: Context, before: str, after: str, service: str = "", json: bool = False, markdown: bool = False
) -> None:
    """Show the changes between two states: packages, download size, Python, channel, base image, torch, sources, GPUs, deviations."""
    from pathlib import Path

    from torchpin.commands.diff import compare_states
    from torchpin.commands.selection import open_repository
    from torchpin.output.answers import print_differences

    with task_run(document_form(json=json or markdown)):
        form = single_form(json=json, markdown=markdown)
        repo = open_repository(only=(service,) if service else None)
        differences = compare_states(repo, before, after, service=service, directory=Path.cwd())
        print_differences(differences, form)


@command(help={**SERVICE, **JSON})
def audit(_: Context, service: str = "", json: bool = False) -> None:
    """List the known vulnerabilities of the locked packages (OSV)."""
    from torchpin.commands.audit import audit_workspace
    from torchpin.commands.selection import Selection, open_workspace

    with task_run(document_form(json=json)) as run:
        run.report(audit_workspace(open_workspace(Selection(service=service), run.watcher), run.watcher))
