"""Results of commands and queries, as text for people or as JSON.

What only one of the commands prints is imported when it is printed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.controls import show_controls
from torchpin.output import terminal
from torchpin.output.console import console, print_hanging
from torchpin.output.volume import is_quiet, is_verbose
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.adopt import Adopted
    from torchpin.commands.bump_plan import PlannedBump
    from torchpin.commands.check import CheckReport
    from torchpin.commands.doctor import MachineCheck
    from torchpin.commands.edited_pins import PinEdit
    from torchpin.commands.facts import FactsReport, RefreshResult
    from torchpin.commands.measure import MeasureResult
    from torchpin.commands.verdicts import Judgement
    from torchpin.lint.result import FailOn
    from torchpin.queries.affected import AffectedList
    from torchpin.queries.diff import Difference
    from torchpin.queries.forecast import Forecast
    from torchpin.queries.forecast_text import Line
    from torchpin.queries.outdated import UpdateList
    from torchpin.queries.why import Explanation


def print_page(page: str) -> None:
    """A page for people; on a terminal wrapped between words."""
    for line in page.splitlines():
        print_hanging(console(), Text(line), 0)


def print_judgement(judgement: Judgement, form: str) -> None:
    terminal.print_verdicts(
        judgement.results,
        judgement.environments,
        judgement.today,
        form=form,
        notices=judgement.notices,
        shares=judgement.shares,
        strict=judgement.strict,
    )


def print_pin_edit(edited: PinEdit, *, json: bool = False) -> None:
    """What an edit of pins changed, or would change: the locks, the description, and what is to be said of it."""
    if json:
        keys = ("service", "pins", "diff", "outcomes", "files", "messages", "dry_run")
        document = {key: getattr(edited, key) for key in keys}
        terminal.print_json({**document, "outcomes": [asdict(outcome) for outcome in edited.outcomes]})
        return
    terminal.print_outcomes(edited.outcomes)
    terminal.print_line(edited.diff.rstrip("\n"))
    for message in edited.messages:
        terminal.print_line(message)
    if edited.dry_run:
        terminal.print_line("nothing was changed")


def print_support(judgement: Judgement, *, json: bool) -> None:
    from torchpin.output.findings import print_matrix

    if json:
        terminal.print_json(asdict(judgement.matrix))
    else:
        print_matrix(judgement.matrix)


def verdict_page(judgement: Judgement) -> str:
    """The HTML page of verdicts and matrix."""
    from torchpin.output.html import render_page

    page = render_page(judgement.results, judgement.environments, judgement.matrix, judgement.today)
    return show_controls(redact_credentials(page))


def print_explanations(explanations: Sequence[Explanation], *, json: bool) -> None:
    from torchpin.queries.why import explanation_lines

    if json:
        terminal.print_json([asdict(explanation) for explanation in explanations])
        return
    for explanation in explanations:
        for line in explanation_lines(explanation):
            terminal.print_line(line)


def print_updates(updates: Sequence[UpdateList], *, json: bool) -> None:
    from torchpin.queries.outdated import outdated_lines

    if json:
        terminal.print_json([asdict(update_list) for update_list in updates])
        return
    for line in outdated_lines(updates):
        terminal.print_line(line)


def print_differences(differences: Sequence[Difference], form: str) -> None:
    """The differences as a table with a line an environment, as JSON, or as Markdown."""
    from torchpin.queries.diff import DIFF_HEADERS, diff_rows, summary_line

    if form == "json":
        terminal.print_json([asdict(difference) for difference in differences])
        return
    if form == "markdown":
        from torchpin.output.markdown import differences_markdown

        terminal.print_raw("".join(f"{line}\n" for line in differences_markdown(differences)))
        return
    rows = diff_rows(differences)
    if rows:
        terminal.print_table("", DIFF_HEADERS, rows)
    for difference in differences:
        terminal.print_line(summary_line(difference))


def print_affected(affected: AffectedList, form: str) -> None:
    """The affected environments as a table, as JSON, or as the lines of a GitHub job's outputs."""
    from torchpin.queries.affected import AFFECTED_HEADERS, affected_rows, github_lines, summary_line

    if form == "json":
        terminal.print_json(asdict(affected))
    elif form == "github":
        terminal.print_raw("".join(f"{line}\n" for line in github_lines(affected)))
    else:
        if affected.affected:
            terminal.print_table("", AFFECTED_HEADERS, affected_rows(affected.affected))
        terminal.print_line(summary_line(affected))


def print_forecasts(forecasts: Sequence[Forecast], line: Line, *, json: bool) -> None:
    from torchpin.queries.forecast_text import forecast_document, forecast_lines

    if json:
        terminal.print_json([forecast_document(forecast, line) for forecast in forecasts])
        return
    for forecast in forecasts:
        for text in forecast_lines(forecast, line):
            terminal.print_line(text)


def print_machine(checks: Sequence[MachineCheck]) -> None:
    """A row for each thing that was looked at, with help where it is not ok."""
    rows = [
        (check.name, "ok" if check.ok else "not ok", check.detail, "" if check.ok else check.help)
        for check in checks
    ]
    terminal.print_table("", ("check", "state", "found", "what to do"), rows)


def print_facts_result(result: FactsReport | RefreshResult | MeasureResult) -> None:
    from torchpin.commands.facts import FactsReport, RefreshResult, refresh_report

    if isinstance(result, FactsReport):
        terminal.print_facts(result)
        return
    if not isinstance(result, RefreshResult):
        for line in (
            *result.lines, *result.unread, *(f"wrote {path}" for path in result.written), *result.problems
        ):  # fmt: skip
            terminal.print_line(line)
        return
    for line in refresh_report(result):
        terminal.print_line(line)


def print_draft(adopted: Adopted, *, json: bool) -> None:
    if json:
        terminal.print_adoption_json(adopted)
    else:
        terminal.print_adoption(adopted)


def print_check_report(report: CheckReport, form: str, *, fail_on: FailOn) -> None:
    """What was checked, as text, `json`, `sarif`, `github` or `markdown`."""
    from torchpin.output import check_formats, check_report
    from torchpin.output.sarif import sarif_report

    if form in {"json", "sarif"}:
        terminal.print_json((check_formats.json_report if form == "json" else sarif_report)(report))
    elif form in {"github", "markdown"}:
        lines = check_formats.github_report if form == "github" else check_formats.markdown_report
        terminal.print_raw("".join(f"{line}\n" for line in lines(report)))
    else:
        check_report.print_check(report, verbose=is_verbose(), quiet=is_quiet(), fail_on=fail_on)
    if form != "text":
        for problem in report.problems:
            terminal.print_error(problem)


def print_planned_bump(planned: PlannedBump, *, json: bool) -> None:
    terminal.print_plans(planned.plans, planned.title, planned.generated, json=json)
