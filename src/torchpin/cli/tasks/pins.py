"""The tasks about pins: judge, explain, why, support, outdated, add, bump."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torchpin.cli.command_line import command
from torchpin.cli.common import (
    GPU,
    HTML,
    JSON,
    LAB,
    MARKDOWN,
    ONE_SERVICE,
    OVERWRITE,
    RECORDED,
    SERVICE,
    STRICT,
    VARIANT,
    document_form,
    single_form,
    task_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context


@command(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "driver": "judge for hosts with this NVIDIA driver, such as 550.54.14",
        **JSON,
        "sarif": "print one SARIF 2.1.0 document instead of text",
        "github": "print workflow commands that annotate a change on GitHub instead of text",
        **MARKDOWN,
        "fix": "apply the safe fixes, which follow from facts alone, to the descriptions",
        **STRICT,
    },
)
def judge(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    driver: str | None = None,
    json: bool = False,
    sarif: bool = False,
    github: bool = False,
    markdown: bool = False,
    html: str = "",
    fix: bool = False,
    strict: bool = False,
) -> None:
    """Check offline, before any download, whether the pins can work: ok, incompatible or unknown, with evidence.

    The exit code is 1 for an error or a warning; `check` has 1 for errors alone.
    """
    from torchpin.commands.selection import Selection
    from torchpin.commands.verdicts import JudgeOptions, judge_selection, write_verdict_page
    from torchpin.output.answers import print_fixes, print_judgement
    from torchpin.output.report_page import render_report

    with task_run(document_form(json=json or sarif or github or markdown)) as run:
        form = single_form(json=json, sarif=sarif, github=github, markdown=markdown)
        options = JudgeOptions(gpus=tuple(gpu or ()), driver=driver, fix=fix, strict=strict)
        show_fixes = partial(print_fixes, aside=form != "text")
        judgement = judge_selection(Selection(service=service), options, run.watcher, show_fixes=show_fixes)
        print_judgement(judgement, form)
        run.report(write_verdict_page(html, judgement, render_report))
        run.end_with(judgement.exit_code)


@command(
    positional=["id"],
    iterable=["id"],
    any_words=["id"],
    help={
        "id": "ids of checks and rules, such as GPU001, or a message, such as `no kernel image is available`",
        **JSON,
    },
)
def explain(_: Context, id: Sequence[str], json: bool = False) -> None:
    """Explain checks and rules, or a message of pip, docker or torch: what it means, an example, what to do, and sources."""
    from torchpin.output.answers import print_explained

    with task_run(document_form(json=json)):
        print_explained(id, json=json)


@command(
    positional=["service", "component"],
    help={
        **ONE_SERVICE,
        **VARIANT,
        "component": "a package, torch, a source, a GPU, or python, base, cuda, cudnn",
        **JSON,
    },
)
def why(_: Context, service: str, component: str, variant: str = "", json: bool = False) -> None:
    """Explain a pin: where it is written, its dependencies, the facts behind it, its deviation."""
    from torchpin.commands.selection import Selection
    from torchpin.commands.verdicts import explain_pin
    from torchpin.output.answers import print_explanations

    with task_run(document_form(json=json)) as run:
        selection = Selection(service=service, variant=variant)
        print_explanations(explain_pin(selection, component, run.watcher), json=json)


@command(
    iterable=["gpu"],
    help={
        **SERVICE,
        **GPU,
        **HTML,
        "every": "show the common GPUs, not only those that services list",
        **JSON,
    },
)
def support(
    _: Context,
    service: str = "",
    gpu: Sequence[str] | None = None,
    every: bool = False,
    json: bool = False,
    html: str = "",
) -> None:
    """Show which service runs on which GPU: ok, incompatible or unknown, with the reason."""
    from torchpin.commands.selection import Selection
    from torchpin.commands.verdicts import judge_gpus, write_verdict_page
    from torchpin.output.answers import print_support
    from torchpin.output.report_page import render_report

    with task_run(document_form(json=json)) as run:
        judgement = judge_gpus(Selection(service=service), run.watcher, gpus=gpu or (), every=every)
        print_support(judgement, json=json)
        run.report(write_verdict_page(html, judgement, render_report))
        run.end_with(judgement.passed_over)


@command(help={**SERVICE, **JSON, "offline": "use the recorded facts only, not PyPI"})
def outdated(_: Context, service: str = "", json: bool = False, offline: bool = False) -> None:
    """List the possible updates of torch, base images, sources and packages, and what each would resolve or break."""
    from torchpin.commands.outdated import outlooks
    from torchpin.commands.selection import Selection, open_workspace
    from torchpin.output.answers import print_updates

    with task_run(document_form(json=json)) as run:
        workspace = open_workspace(Selection(service=service), run.watcher)
        updates = outlooks(
            workspace.repo, workspace.environments, offline=offline, show_status=run.watcher.status
        )
        print_updates(updates, json=json)


@command(
    positional=["service", "package"],
    iterable=["package"],
    any_words=["package"],
    help={
        **ONE_SERVICE,
        "package": "one or more packages, such as fastapi, 'uvicorn[standard]' or 'pydantic>=2,<3'",
        "layer": "the layer that gets them, by its name; by default the one that has them as a dependency, else the last one",
        "dry_run": "print the change of the description without changing anything",
        **RECORDED,
        **OVERWRITE,
        **JSON,
    },
)
def add(
    _: Context,
    service: str,
    package: Sequence[str],
    layer: str = "",
    dry_run: bool = False,
    recorded: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Pin the newest versions of packages that go with a service's other pins, and lock it."""
    from torchpin.commands.add import AddOptions, add_packages
    from torchpin.commands.edited_pins import EditOptions
    from torchpin.output.answers import print_pin_edit

    with task_run(document_form(json=json)) as run:
        options = AddOptions(
            service=service,
            packages=tuple(package),
            layer=layer,
            edit=EditOptions(recorded=recorded, dry_run=dry_run, overwrite=overwrite),
        )
        print_pin_edit(add_packages(options, run.watcher), json=json)


@command(
    positional=["what"],
    replaced_by={"what": ("resume", "undo")},
    iterable=["what", "service", "reason"],
    help={
        "what": "one or more targets, such as torch==2.7.1, vllm==0.10.0, python==3.11.9, base=IMAGE or sd-scripts@v0.10.1; "
        "several are one update",
        "service": "only this service; may be given several times",
        "channel": "the channel of torch, such as cu128; by default the nearest one that supports the GPUs",
        "reason": "why, for the bump's record; or ID=TEXT, ID:SUBJECT=TEXT or COMPONENT=TEXT, the reason for a finding or deviation that the "
        "update introduces, such as GPU001:V100=TEXT or torch=TEXT; may be given several times",
        "dry_run": "print the plan without changing anything",
        "offline": "plan from facts alone: neither uv nor PyPI is asked whether the pins resolve; with `--dry-run` only",
        **JSON,
        "yes": "do not ask for confirmation",
        "no_build": "leave the steps that need a Docker engine pending",
        "resume": "run the pending steps of the last update",
        "undo": "take back what the last update wrote, and nothing else",
        **RECORDED,
        **LAB,
        **OVERWRITE,
    },
)
def bump(  # noqa: PLR0913, PLR0917 - a parameter for each option
    _: Context,
    what: Sequence[str] | None = None,
    service: Sequence[str] | None = None,
    channel: str = "",
    reason: Sequence[str] | None = None,
    dry_run: bool = False,
    offline: bool = False,
    json: bool = False,
    yes: bool = False,
    no_build: bool = False,
    resume: bool = False,
    undo: bool = False,
    recorded: bool = False,
    lab: bool = False,
    overwrite: bool = False,
) -> None:
    """Update one or more pins and everything tied to them, as one change that can be undone."""
    from torchpin.commands.bump_plan import BumpRequest
    from torchpin.commands.run_bump import run_bump
    from torchpin.output.plans import print_planned_bump
    from torchpin.output.terminal import ask_reason, confirm

    with task_run(document_form(json=json)) as run:
        request = BumpRequest(
            targets=tuple(what or ()), services=tuple(service or ()), channel=channel, reasons=tuple(reason or ()),
            dry_run=dry_run, offline=offline, confirmed=yes, quiet=json, build=not no_build,
            resume=resume, undo=undo, recorded=recorded, lab=lab, overwrite=overwrite,
        )  # fmt: skip
        show = partial(print_planned_bump, json=json)
        run.report(
            run_bump(request, run.watcher, show=show, confirm=partial(confirm, "Do this?"), ask=ask_reason)
        )
