"""Results of commands and queries, as text for people or as JSON.

What only one of the commands prints is imported when it is printed.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.output import terminal
from torchpin.output.console import console, print_hanging, print_lines
from torchpin.output.documents import print_document, print_json
from torchpin.output.findings import print_forecast
from torchpin.output.outcomes import print_outcomes
from torchpin.output.tables import print_fitting_table, print_table, with_short_digests
from torchpin.output.volume import is_quiet, is_verbose
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.check import CheckReport
    from torchpin.commands.doctor import MachineCheck
    from torchpin.commands.edited_pins import PinEdit
    from torchpin.commands.fix import FixedFile
    from torchpin.commands.services import ServiceRow
    from torchpin.commands.verdicts import Judgement
    from torchpin.queries.affected import AffectedList
    from torchpin.queries.diff import Difference
    from torchpin.queries.forecast import Forecast
    from torchpin.queries.forecast_text import Line
    from torchpin.queries.outdated import UpdateList
    from torchpin.queries.report import Report
    from torchpin.queries.why import Explanation


# Cells of tables that are good or bad news.
_CELL_STYLES = {
    **dict.fromkeys(("ok", "current", "built", "matches"), "green"),
    **dict.fromkeys(("incompatible", "failed", "differs"), "bold red"),
    **dict.fromkeys(("warning", "old", "missing"), "yellow"),
    "unknown": "magenta",
}


def print_page(page: str) -> None:
    """A page for people; on a terminal wrapped between words."""
    for line in page.splitlines():
        print_hanging(console(), Text(line), 0)


def print_judgement(judgement: Judgement, form: str) -> None:
    """The judge's results as `text`, `json`, `sarif`, `markdown`, or workflow commands of `github`."""
    from torchpin.output import machine_readable, markdown, sarif

    results, environments = judgement.results, judgement.environments
    if form == "json":
        print_document(
            machine_readable.judge_fields(
                results, environments, judgement.today, judgement.notices, judgement.shares
            )
        )
    elif form == "sarif":
        print_json(sarif.sarif_document(results, environments))
    elif form == "markdown":
        terminal.print_raw(
            "".join(f"{line}\n" for line in markdown.judgement_markdown(results, environments))
        )
    elif form == "github":
        lines = machine_readable.github_commands(results, environments)
        terminal.print_raw("".join(f"{line}\n" for line in lines))
    else:
        print_forecast(
            results,
            environments,
            notices=judgement.notices,
            shares=judgement.shares,
            strict=judgement.strict,
        )


def print_fixes(rows: Sequence[FixedFile], *, aside: bool = False) -> None:
    """The fixes as a unified diff, and which commands follow."""
    from torchpin.description.edit import unified_diff

    out = console(sys.stderr) if aside else console()
    for fixed_file in rows:
        diff = unified_diff(fixed_file.before, fixed_file.after, fixed_file.file)
        out.print(Text(diff.rstrip("\n")))
    files = ", ".join(fixed_file.file for fixed_file in rows)
    message = f"fixed {files}; run `invoke lock`, `invoke render` and `invoke document`"
    print_lines(out, Text(message if rows else "no safe fix applies"))


def print_pin_edit(edited: PinEdit, *, json: bool = False) -> None:
    """What an edit of pins changed, or would change: the locks, the description, and what is to be said of it."""
    if json:
        keys = ("service", "pins", "diff", "outcomes", "files", "messages", "dry_run")
        document = {key: getattr(edited, key) for key in keys}
        print_document({**document, "outcomes": [asdict(outcome) for outcome in edited.outcomes]})
        return
    print_outcomes(edited.outcomes)
    terminal.print_line(edited.diff.rstrip("\n"))
    for message in edited.messages:
        terminal.print_line(message)
    if edited.dry_run:
        terminal.print_line("nothing was changed")


def print_support(judgement: Judgement, *, json: bool) -> None:
    from torchpin.output.findings import print_matrix

    if json:
        print_document(asdict(judgement.matrix))
    else:
        print_matrix(judgement.matrix)


def print_report_summary(report: Report, *, json: bool, is_written: bool) -> None:
    """How the services stand in a few lines, or all of the report as JSON. `is_written`: as a page already."""
    from torchpin.output.report_page import headline, summary_lines
    from torchpin.queries.report import report_document

    if json:
        print_document({"summary": headline(report), **report_document(report)})
        return
    for line in summary_lines(report):
        terminal.print_line(line)
    if not (is_written or is_quiet()):
        terminal.print_line("write all of it as a page: `invoke report --html report.html`")


def print_explanations(explanations: Sequence[Explanation], *, json: bool) -> None:
    from torchpin.queries.why import explanation_lines

    if json:
        print_document({"explanations": [asdict(explanation) for explanation in explanations]})
        return
    for explanation in explanations:
        for line in explanation_lines(explanation, verbose=is_verbose()):
            terminal.print_line(line)
    if explanations and not (is_verbose() or is_quiet()):
        terminal.print_line("`-v` shows the facts and sources behind it")


def print_updates(updates: Sequence[UpdateList], *, json: bool) -> None:
    from torchpin.queries.outdated import outdated_lines

    if json:
        print_document({"updates": [asdict(update_list) for update_list in updates]})
        return
    for line in outdated_lines(updates):
        terminal.print_line(line)


def print_differences(differences: Sequence[Difference], form: str) -> None:
    """The differences as a table with a line an environment, as JSON, or as Markdown."""
    from torchpin.queries.diff import DIFF_HEADERS, diff_rows, summary_line

    if form == "json":
        print_document({"differences": [asdict(difference) for difference in differences]})
        return
    if form == "markdown":
        from torchpin.output.markdown import differences_markdown

        terminal.print_raw("".join(f"{line}\n" for line in differences_markdown(differences)))
        return
    rows = diff_rows(differences)
    if rows:
        print_fitting_table([(DIFF_HEADERS, rows), (DIFF_HEADERS, with_short_digests(rows))])
    for difference in differences:
        terminal.print_line(summary_line(difference))


def print_affected(affected: AffectedList, form: str) -> None:
    """The affected environments as a table, as JSON, or as the lines of a GitHub job's outputs."""
    from torchpin.queries.affected import AFFECTED_HEADERS, affected_rows, github_lines, summary_line

    if form == "json":
        print_document(asdict(affected))
    elif form == "github":
        terminal.print_raw("".join(f"{line}\n" for line in github_lines(affected)))
    else:
        if affected.affected:
            print_table("", AFFECTED_HEADERS, affected_rows(affected.affected))
        terminal.print_line(summary_line(affected))


def print_forecasts(forecasts: Sequence[Forecast], line: Line, *, json: bool) -> None:
    from torchpin.queries.forecast_text import (
        LAYER_HEADERS,
        forecast_document,
        forecast_lines,
        layer_rows,
    )

    if json:
        print_document({"forecasts": [forecast_document(forecast, line) for forecast in forecasts]})
        return
    for forecast in forecasts:
        for text in forecast_lines(forecast, line):
            terminal.print_line(text)
        print_fitting_table([(LAYER_HEADERS, layer_rows(forecast, shown=shown)) for shown in (3, 1)])


def print_machine(checks: Sequence[MachineCheck], *, json: bool = False) -> None:
    """A line for each thing that was looked at, with help where it is not ok; then whether what is needed is there."""
    if json:
        print_document({"checks": [{**asdict(check), "level": check.level} for check in checks]})
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        if check.ok and is_quiet():
            continue
        style = {"ok": "green", "warning": "yellow", "error": "bold red"}[check.level]
        label = Text.assemble((f"{check.level:<9}", style), (f"{check.name:<{width}}", "bold"))
        print_hanging(console(), label.append(f"  {check.detail}"), 9 + width + 2)
        if check.help and not check.ok:
            print_hanging(console(), Text.assemble((f"{'':9}help: ", "green"), check.help), 11)
    levels = [check.level for check in checks]
    errors, warnings = (count(levels.count(level), level) for level in ("error", "warning"))
    if "error" in levels:
        terminal.print_error(f"{errors}, {warnings}: a requirement of every command is missing")
    elif not is_quiet():
        terminal.print_line(f"every command has what it needs; {warnings}")


def print_services(rows: Sequence[ServiceRow], *, json: bool = False) -> None:
    """A line an environment: as much of its base image and its GPUs as fits on the terminal."""
    from torchpin.commands.services import service_tables, state_notes

    if json:
        print_document({"environments": [asdict(row) for row in rows]})
        return
    print_fitting_table(service_tables(rows), styles=_CELL_STYLES)
    for note in state_notes(rows):
        print_hanging(console(), Text(note, style="dim"), 2)


def print_explained(words: Sequence[str], *, json: bool) -> None:
    """The pages of checks and rules, or what a message means. Raises InputError for what is neither."""
    from torchpin.queries.explain import explanation_documents, explanations

    if json:
        documents = explanation_documents(words)
        print_document(documents[0] if len(documents) == 1 else {"pages": list(documents)})
    else:
        print_page("\n\n".join(explanations(words)))


def print_check_report(report: CheckReport, form: str) -> None:
    """What was checked, as text, `json`, `sarif`, `github` or `markdown`."""
    from torchpin.output import check_formats, check_report
    from torchpin.output.sarif import sarif_report

    if form == "json":
        print_document(check_formats.json_report(report))
    elif form == "sarif":
        print_json(sarif_report(report))
    elif form in {"github", "markdown"}:
        lines = check_formats.github_report if form == "github" else check_formats.markdown_report
        terminal.print_raw("".join(f"{line}\n" for line in lines(report)))
    else:
        check_report.print_check(report, verbose=is_verbose(), quiet=is_quiet())
    if form != "text":
        for problem in report.problems:
            terminal.print_error(problem)
