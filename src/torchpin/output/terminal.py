"""Results to people and programs: the only place that prints."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from torchpin.checks.verdict_text import count_findings
from torchpin.controls import show_controls
from torchpin.output.console import SafeConsole, console, print_lines, redacted
from torchpin.output.findings import (
    match_entry,
    print_entry,
    print_judgement,
    print_results,
)
from torchpin.output.program import name_program
from torchpin.output.volume import is_quiet, is_verbose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from torchpin.bump.model import Opening, Plan
    from torchpin.checks.registry import Result
    from torchpin.commands.adopt import Adopted
    from torchpin.commands.facts import FactsReport
    from torchpin.commands.fix import FixedFile
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment, Outcome

_OUTCOME_LABELS = {
    "changed": ("done", "green"),
    "same": ("same", "dim"),
    "kept": ("kept", "dim"),
    "open": ("open", "yellow"),
    "failed": ("FAILED", "bold red"),
}
# Columns of a table that goes to a file: rich takes 80 there, which would leave no room for digests and paths.
_LOG_WIDTH = 160


def print_line(message: object) -> None:
    print_lines(console(), Text(str(message)))


def print_status(message: object) -> None:
    """A message for people, to stderr: programs may read stdout. A quiet task has none."""
    if is_quiet():
        return
    print_lines(console(sys.stderr), Text(str(message), style="dim"))


def print_notice(message: object) -> None:
    """What a command passes over, or leaves to do, to stderr; of a quiet task too."""
    print_lines(console(sys.stderr), Text(str(message), style="yellow"))


def print_error(message: object) -> None:
    print_lines(console(sys.stderr), Text(str(message), style="red"))


def print_outcomes(rows: Sequence[Outcome], *, aside: bool = False) -> int:
    """Prints a line an outcome, the failed ones to stderr; returns the highest exit code. `aside`: all to stderr.

    A quiet task shows what failed alone.
    """
    for row in rows:
        if is_quiet() and row.status != "failed":
            continue
        label, style = _OUTCOME_LABELS[row.status]
        took = f"  ({row.seconds:.1f} s)" if row.seconds >= 0.1 else ""  # noqa: PLR2004 - tenths are shown
        detail = f"  {row.detail}{took}" if row.detail or took else ""
        line = Text.assemble((f"{label:<6} ", style), (row.name, "bold"), detail)
        print_lines(console(sys.stderr) if aside or row.status == "failed" else console(), line)
    return max((row.code for row in rows), default=0)


def print_summary(rows: Sequence[Outcome]) -> None:
    """One table of several outcomes."""
    cells = [
        (
            row.name,
            _OUTCOME_LABELS[row.status][0],
            f"{row.seconds:.1f} s",
            row.detail.splitlines()[0] if row.detail else "",
        )
        for row in rows
    ]
    print_table("", ("environment", "result", "took", "what"), cells)


def print_outcomes_json(rows: Sequence[Outcome]) -> int:
    for row in rows:
        redacted(sys.stdout).write(json.dumps({"event": "outcome", **asdict(row)}) + "\n")
    return max((row.code for row in rows), default=0)


def print_verdicts(
    rows: Sequence[Result],
    environments: Sequence[Environment],
    today: date,
    *,
    form: str = "text",
    notices: Sequence[str] = (),
    shares: Mapping[str, PackageShare] | None = None,
    strict: bool = False,
) -> None:
    """The judge's results as text (with a verdict a service), JSON, SARIF, workflow commands of GitHub, or Markdown.

    `shares`: by environment, which packages have measured facts.
    """
    from torchpin.output import machine_readable, markdown, sarif

    if form == "json":
        print_json(machine_readable.json_document(rows, environments, today, notices, shares or {}))
    elif form == "sarif":
        print_json(sarif.sarif_document(rows, environments))
    elif form == "markdown":
        print_raw("".join(f"{line}\n" for line in markdown.judgement_markdown(rows, environments)))
    elif form == "github":
        print_raw("".join(f"{line}\n" for line in machine_readable.github_commands(rows, environments)))
    else:
        print_judgement(rows, environments, notices=notices, shares=shares or {}, strict=strict)


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


def print_facts(checked: FactsReport) -> None:
    """The age of each section of the facts, what is expired, and contradictions."""
    rows = [
        (
            age.table,
            age.section,
            age.oldest,
            age.newest,
            str(age.days),
            str(age.max_age_days or "-"),
            str(age.lacks or "-"),
            str(len(age.expired)),
        )
        for age in checked.ages
    ]
    print_table("", ("table", "section", "oldest", "newest", "days", "limit", "lacks", "expired"), rows)
    for line in (*checked.problems, *map(str, checked.expired)):
        print_line(line)
    print_line(f"problems: {len(checked.problems)}, expired: {len(checked.expired)}")


def print_adoption(adoption_result: Adopted) -> None:
    """The drafted description to stdout; to stderr the rules' matches, the files left out, and the judge's results."""
    print_raw(adoption_result.adoption.text)
    out = console(sys.stderr)
    matches = [match_entry(match, with_evidence=is_verbose()) for match in adoption_result.adoption.matches]
    for entry in matches:
        print_entry(out, entry)
    print_lines(out, Text(f"rules: {count_findings(matches)}"))
    for reason in adoption_result.skipped:
        print_lines(out, Text(reason))
    if adoption_result.results:  # none where no description could be drafted
        print_results(adoption_result.results, to_stderr=True)


def print_adoption_json(adoption_result: Adopted) -> None:
    adoption = adoption_result.adoption
    print_json(
        {
            "name": adoption.name,
            "description": adoption.text,
            "missing": adoption.missing,
            "skipped": adoption_result.skipped,
            "matches": [{"id": match.id, **asdict(match.finding)} for match in adoption.matches],
            "results": [asdict(row) for row in adoption_result.results],
        }
    )


def print_plans(
    plans: Sequence[Plan], title: str, derived: Mapping[str, Sequence[str]], *, json: bool = False
) -> None:
    """The plan of each service: its changed values, their effects, the files, and the description's unified diff.

    `title`: the targets; `derived`: the files that are generated from a service's description and locks.
    """
    from torchpin.bump.model import service_label

    if json:
        services = [{**_plan_json(plan), "derived": derived[plan.service]} for plan in plans]
        print_json({"bump": title, "services": services})
        return
    for plan in plans:
        label = service_label(plan)
        if plan.held_back:
            print_line(f"{label}: held back: {plan.held_back}{f' ({plan.help})' if plan.help else ''}")
        elif plan.moves:
            print_line(f"{label}: planned changes")
            _print_plan(plan, derived[plan.service])
        else:
            print_line(f"{label}: nothing to change: {'; '.join(plan.present)}")


def _print_plan(plan: Plan, generated: Sequence[str]) -> None:
    for move in plan.moves:
        print_line(f"  {move.what}: {move.before or '(none)'} -> {move.after or '(none)'}")
        print_line(f"    why: {move.why}")
    effects = {
        "also changes": plan.also_changes,
        "GPUs gained": plan.gained,
        "GPUs lost": plan.lost,
        "resolved": plan.resolved,
        "new": plan.new,
        "reason": [f"{row.key}: {row.reason}" for row in plan.openings if row.reason],
        "wants a reason": [_wanted_reason(row) for row in plan.openings if not row.reason],
        "note": (*plan.present, *plan.notes),
        "resolution": [plan.resolution] if plan.resolution else (),
    }
    for label, messages in effects.items():
        for message in messages:
            print_line(f"  {label}: {message}")
    for label, paths in (("files", (plan.file, *plan.outdated_layers)), ("generated", generated)):
        if paths:
            print_line(f"  {label}: {', '.join(paths)}")
    if plan.outdated_layers:
        print_line(f"  layers to re-lock: {plan.present_bytes / 1e6:,.0f} MB of packages at present")
    print_raw(plan.difference)


def _wanted_reason(opening: Opening) -> str:
    from torchpin.bump.reasons import reason_option

    otherwise = "the present one stays" if opening.is_review else "it stays open"
    return f"{opening.key}, by `{reason_option(opening.key)}`; without, {otherwise}"


def _plan_json(plan: Plan) -> dict[str, Any]:
    left_out = {"before", "after", "moved_text", "why"}
    return {k: v for k, v in asdict(plan).items() if k not in left_out} | {"diff": plan.difference}


def confirm(question: str) -> bool:
    """Asks a yes-or-no question on a terminal; True without asking where stdin or stdout is none."""
    if not _is_interactive():
        return True
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _is_interactive() -> bool:
    # Python sets a stream to None whose file descriptor is closed
    return bool(sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty())


def ask_reason(opening: Opening) -> str:
    """Asks for a reason on a terminal; "" without an answer, and without asking where stdin or stdout is no terminal."""
    if not _is_interactive():
        return ""
    print_line(opening.message)
    otherwise = "keep the present one" if opening.is_review else "leave it open"
    return input(f"Reason for {opening.key} (empty: {otherwise}): ").strip()


def print_results_json(rows: Sequence[Result], *, notices: Sequence[str] = ()) -> None:
    for notice in notices:
        print_status(notice)
    print_json([asdict(row) for row in rows])


def print_json(value: Any) -> None:
    redacted(sys.stdout).write(json.dumps(value, indent=1, default=str) + "\n")


def print_raw(content: str) -> None:
    redacted(sys.stdout).write(show_controls(content))


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; what does not fit is wrapped between words. On a terminal too narrow for it: a block of lines a row."""
    from rich.table import Table

    out = SafeConsole(
        file=redacted(sys.stdout),
        markup=False,
        highlight=False,
        width=None if sys.stdout.isatty() else _LOG_WIDTH,
    )
    cells = [[show_controls(name_program(cell)) for cell in row] for row in rows]
    widths = _column_widths([headers, *cells], out.width)
    if widths is None:
        _print_blocks(title, headers, cells)
        return
    rich_table = Table(title=title or None, title_justify="left", title_style="bold")
    for header, column_width in zip(headers, widths, strict=True):
        rich_table.add_column(header, overflow="fold", width=column_width)
    for row in cells:
        rich_table.add_row(*map(Text, row))
    out.print(rich_table)


def _column_widths(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column of a table that is at most `width` wide; None where its words do not fit.

    rich shrinks the widest column first, and so breaks words. Here each column first gets room for its longest word,
    and what is left is shared by those that need more: names, addresses and digests stay whole, and can be copied.
    """
    columns = list(zip(*rows, strict=True))
    room = width - 3 * len(columns) - 1  # a column has a border and two blanks, and one border ends the row
    natural = [max(map(cell_len, column)) for column in columns]
    minimums = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
    needs = [full - minimum for full, minimum in zip(natural, minimums, strict=True)]
    spare = min(room - sum(minimums), sum(needs))
    if spare < 0:
        return None
    shares = [spare * need // (sum(needs) or 1) for need in needs]
    return [minimum + share for minimum, share in zip(minimums, shares, strict=True)]


def _print_blocks(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if title:
        print_line(title)
    for first, *others in rows:
        print_line(first)
        for header, cell in zip(headers[1:], others, strict=True):
            if cell:
                print_line(f"  {header}: {cell}")
