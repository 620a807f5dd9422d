"""Whatever is printed goes out without the credentials of addresses, in each form."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from support.reports import full_report
from support.results import FINDING, NOTICE, WAIVER, environments, make_result, repo
from torchpin.checks.registry import Accepted
from torchpin.commands.report import CommandReport
from torchpin.commands.verdicts import Judgement
from torchpin.image.build_log import Event
from torchpin.model import Outcome
from torchpin.output import crash, documents, findings, outcomes, terminal
from torchpin.output.answers import print_judgement, print_page, print_report_summary
from torchpin.output.progress import LineView, LiveView, print_build_event
from torchpin.output.report_page import render_report
from torchpin.output.reports import print_report
from torchpin.progress import StepEnded, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.output.progress import StepView

CANARY = "c4n4ry"
ADDRESS = f"https://user:{CANARY}@mirror.example/simple?token={CANARY}"
PLAIN = "https://mirror.example/simple"
OUTCOME = Outcome(name="lora-gpu", status="failed", detail=f"at {ADDRESS}")


def results_with_addresses() -> tuple[Result, ...]:
    finding = replace(FINDING, message=f"at {ADDRESS}", help=f"see {ADDRESS}", evidence=ADDRESS)
    waiver = replace(WAIVER, reason=f"as {ADDRESS} has it")
    return (
        make_result(
            findings=(finding,),
            notices=(replace(NOTICE, message=ADDRESS),),
            unknown=(f"not at {ADDRESS}",),
            accepted=(Accepted(finding=finding, waiver=waiver),),
        ),
    )


def judgement() -> Judgement:
    return Judgement(
        repo=repo(),
        results=results_with_addresses(),
        environments=environments(),
        gpus=("B200",),
        notices=(f"read from {ADDRESS}",),
        today=date(2026, 11, 24),
    )


def print_step(view: StepView) -> None:
    view.take(StepStarted(key=1, title=f"RUN get {ADDRESS}"))
    view.take(StepEnded(key=1, seconds=2, result=f"from {ADDRESS}"))
    view.close()


PRINTERS: dict[str, Callable[[], object]] = {
    "line": lambda: terminal.print_line(ADDRESS),
    "status": lambda: terminal.print_status(ADDRESS),
    "error": lambda: terminal.print_error(ADDRESS),
    "outcomes": lambda: outcomes.print_outcomes([OUTCOME]),
    "outcomes as JSON": lambda: documents.print_outcome_events([OUTCOME]),
    "table": lambda: outcomes.print_summary([OUTCOME]),
    "JSON": lambda: documents.print_json({"address": ADDRESS}),
    "raw": lambda: terminal.print_raw(ADDRESS),
    "page": lambda: print_page(ADDRESS),
    # `run --dry-run`: the command line of docker, with the command that the user gave
    "a command line": lambda: print_report(CommandReport(summary=f"docker run lora-gpu curl {ADDRESS}")),
    "crash": lambda: crash.print_crash(ValueError(ADDRESS), None, f"Traceback\n{ADDRESS}"),
    "results": lambda: findings.print_results(judgement().results, notices=[ADDRESS]),
    "results as JSON": lambda: documents.print_report_document(
        CommandReport(results=judgement().results, notices=(ADDRESS,))
    ),
    "report": lambda: print_report_summary(full_report(ADDRESS), json=False, is_written=False),
    "report as JSON": lambda: print_report_summary(full_report(ADDRESS), json=True, is_written=False),
    "progress": lambda: print_step(LineView(terminal.print_status)),
    "progress on a terminal": lambda: print_step(LiveView(terminal.print_status)),
    "progress as JSON": lambda: print_build_event(Event(step=1, kind="started", text=ADDRESS)),
    **{f"judge, {form}": lambda form=form: print_judgement(judgement(), form)  # type: ignore[misc]
       for form in ("text", "json", "sarif", "github")},
}  # fmt: skip


@pytest.mark.parametrize("printer", PRINTERS.values(), ids=PRINTERS)
def test_no_printer_prints_a_secret(
    printer: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    printer()
    captured = capsys.readouterr()
    output = captured.out + captured.err
    assert PLAIN in output
    assert CANARY not in output


def test_the_page_itself_has_no_secret() -> None:
    page = render_report(full_report(ADDRESS))
    assert CANARY not in page
    assert PLAIN in page
