"""What commands report: their outcomes and results, while they run and at the end."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from torchpin.commands.parallel import ignore
from torchpin.commands.report import Watcher
from torchpin.output import terminal
from torchpin.output.documents import print_outcome_events, print_report_document
from torchpin.output.findings import print_results
from torchpin.output.outcomes import print_outcomes, print_summary
from torchpin.output.progress import print_build_event, step_view
from torchpin.output.volume import is_quiet, is_verbose
from torchpin.progress import StepStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.commands.report import CommandReport

Form = Literal["text", "json", "events"]  # text for people, one JSON document, or a JSON object a line


@contextmanager
def command_watcher(form: Form, progress: str) -> Iterator[Watcher]:
    """Prints what a running command reports; where a program reads the output, lines for people go to stderr.

    Steps are shown on stderr until the command ends; `progress` as in `step_view`. A quiet task shows none, and no status. A
    notice is never left out: it says what was passed over.
    """
    view = step_view(terminal.print_status, "none" if is_quiet() else progress)

    def beside_steps(show: Callable[[Any], object]) -> Callable[[Any], None]:
        def show_beside(message: object) -> None:
            with view.aside():
                show(message)
                sys.stdout.flush()

        return show_beside

    line = ignore if is_quiet() else terminal.print_line if form == "text" else terminal.print_status
    try:
        yield Watcher(
            status=StepStatus(beside_steps(line), view.take),
            detail=beside_steps(line if is_verbose() else ignore),
            notice=beside_steps(terminal.print_notice),
            report=beside_steps(partial(print_report, form=form)),
            progress=lambda: nullcontext(print_build_event if progress == "json" else ignore),
        )
    finally:
        view.close()


def print_report(report: CommandReport, *, form: Form = "text") -> None:
    """Outcomes, results and the last line of a command, or of a stage of it."""
    if form == "events":
        print_outcome_events(report.outcomes)
    else:
        print_outcomes(report.outcomes, aside=form == "json")
    if report.tabulated and form == "text" and len(report.outcomes) > 1 and not is_quiet():
        print_summary(report.outcomes)
    if report.results is not None and form == "json":
        print_report_document(report)
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
