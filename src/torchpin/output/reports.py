"""What commands report: their outcomes and results, while they run and at the end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from torchpin.commands.report import Watcher
from torchpin.output import terminal
from torchpin.output.findings import print_results
from torchpin.output.volume import is_quiet

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torchpin.commands.report import CommandReport, EventCallback

Form = Literal["text", "json", "events"]  # text for people, one JSON document, or a JSON object a line


def command_watcher(form: Form, progress: str) -> Watcher:
    """Prints what a running command reports; where a program reads the output, lines for people go to stderr.

    A quiet task shows no steps. A notice is never left out: it says what was passed over.
    """
    if is_quiet():
        return Watcher(notice=terminal.print_notice, report=partial(print_report, form=form))
    return Watcher(
        status=terminal.print_line if form == "text" else terminal.print_status,
        notice=terminal.print_notice,
        report=partial(print_report, form=form),
        progress=partial(_build_progress, progress),
    )


def _build_progress(progress: str) -> AbstractContextManager[EventCallback]:
    from torchpin.output.progress import build_progress  # with rich's live tables, which only builds need

    return build_progress(progress)


def print_report(report: CommandReport, *, form: Form = "text") -> None:
    """Outcomes, results and the last line of a command, or of a stage of it."""
    if form == "events":
        terminal.print_outcomes_json(report.outcomes)
    else:
        terminal.print_outcomes(report.outcomes, aside=form == "json")
    if report.tabulated and form == "text" and len(report.outcomes) > 1 and not is_quiet():
        terminal.print_summary(report.outcomes)
    if report.results is not None and form == "json":
        terminal.print_results_json(report.results, notices=report.notices)
    elif report.results is not None:
        print_results(
            report.results,
            notices=report.notices,
            last=report.summary,
            failed=bool(report.exit_code),
            to_stderr=form == "events",
        )
    elif report.summary and not is_quiet():
        (terminal.print_line if form == "text" else terminal.print_status)(report.summary)
