"""Results to people and programs: the only place that prints."""

from __future__ import annotations

import datetime as dt
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchpin.checks import run
from torchpin.description import edit
from torchpin.output import machine
from torchpin.queries.support import cell_text, explain_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.model import Plan
    from torchpin.bump.target import Target
    from torchpin.checks.registry import Result
    from torchpin.commands.adopt import Adopted
    from torchpin.commands.facts import FactsReport
    from torchpin.commands.fix import FixedFile
    from torchpin.model import Environment, Outcome
    from torchpin.queries.support import Matrix

_OUTCOME_LABELS = {"changed": ("done", "green"), "same": ("same", "dim"), "failed": ("FAILED", "bold red")}
_STATUS_STYLES = {
    "ok": "green",
    "found": "bold red",
    "waived": "yellow",
    "skipped": "dim",
    "unknown": "magenta",
    "moot": "dim",
}


def console(file: TextIO | None = None) -> Console:
    """Text as it is: no markup, which would eat the brackets of requirements; no wrapping where nobody looks."""
    target = file or sys.stdout
    return Console(file=target, markup=False, highlight=False, soft_wrap=True)


def print_line(message: object) -> None:
    console().print(Text(str(message)))


def print_status(message: object) -> None:
    """A word to people while programs read the output."""
    console(sys.stderr).print(Text(str(message), style="dim"))


def print_error(message: object) -> None:
    console(sys.stderr).print(Text(str(message), style="red"))


def print_outcomes(rows: Sequence[Outcome], *, aside: bool = False) -> int:
    """A line each; the worst exit code that they ask for. `aside`: a program reads the output, people the other stream."""
    for row in rows:
        word, style = _OUTCOME_LABELS[row.status]
        line = Text(f"{word:<6} ", style=style)
        line.append(row.name, style="bold")
        took = f"  ({row.seconds:.1f} s)" if row.seconds >= 0.1 else ""  # noqa: PLR2004 - tenths are shown
        line.append(f"  {row.detail}{took}" if row.detail or took else "", style="")
        (console(sys.stderr) if aside or row.status == "failed" else console()).print(line)
    return max((row.code for row in rows), default=0)


def print_summary(rows: Sequence[Outcome]) -> None:
    """One table of what became of several things."""
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
        sys.stdout.write(json.dumps({"event": "outcome", **asdict(row)}) + "\n")
    return max((row.code for row in rows), default=0)


def print_results(
    rows: Sequence[Result], *, notices: Sequence[str] = (), quiet: bool = False, aside: bool = False
) -> None:
    """Findings with where, evidence and remedy; skips and unknowns with their reasons; the count of everything."""
    out = console(sys.stderr) if aside else console()
    for row in rows:
        if row.status in {"ok", "moot"} or (quiet and row.status in {"skipped", "waived"}):
            continue
        _print_result(out, row)
    for notice in notices:
        out.print(Text(notice, style="yellow"))
    counts = {status: sum(row.status == status for row in rows) for status in _STATUS_STYLES}
    out.print(Text(f"{len(rows)} checks: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n)))


def _print_result(out: Console, row: Result) -> None:
    head = Text(f"{row.status:<8}", style=_STATUS_STYLES[row.status])
    head.append(f"{row.check} {row.environment}: {row.title}", style="")
    out.print(head.append(f" ({row.note})" if row.note else ""))
    for finding in row.findings:
        warned = "warning: " if finding.level == "warning" else ""
        out.print(Text(f"    {finding.location}: {warned}{finding.message}"))
        _print_evidence(out, finding.evidence)
        out.print(Text(f"        {finding.help}", style="cyan"))
    for accepted in row.accepted:
        out.print(Text(f"    {accepted.finding.location}: {accepted.finding.message}", style="dim"))
        _print_evidence(out, accepted.finding.evidence)
        waiver_text = f"waived until {accepted.waiver.review_by}: {accepted.waiver.reason}"
        out.print(Text(f"        {waiver_text}", style="yellow"))
    for message in row.unknown:
        out.print(Text(f"    unknown: {message}", style=_STATUS_STYLES["unknown"]))


def _print_evidence(out: Console, evidence: str) -> None:
    if evidence:
        out.print(Text(f"        evidence: {evidence}", style="dim"))


def print_verdicts(
    rows: Sequence[Result],
    environments: Sequence[Environment],
    *,
    form: str = "text",
    notices: Sequence[str] = (),
) -> None:
    """The judge's results in the form that was asked for; as text with a verdict a service."""
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    if form == "json":
        print_json(machine.json_document(rows, environments, today, notices))
    elif form == "sarif":
        print_json(machine.sarif_document(rows))
    elif form == "github":
        print_raw("".join(f"{line}\n" for line in machine.github_commands(rows)))
    else:
        print_results(rows, notices=notices)
        styles = {"ok": "green", "warned": "yellow", "refused": "bold red", "unknown": "magenta"}
        for name, word in run.verdicts(rows, environments).items():
            console().print(Text(f"{word:<8}", style=styles[word]).append(name, style="bold"))


def print_fixes(rows: Sequence[FixedFile], *, aside: bool = False) -> None:
    """What was repaired, as a difference that can be read."""
    out = console(sys.stderr) if aside else console()
    for repaired_file in rows:
        out.print(
            Text(
                edit.unified_diff(repaired_file.before, repaired_file.after, repaired_file.file).rstrip("\n")
            )
        )
    files = ", ".join(repaired_file.file for repaired_file in rows)
    message = (
        f"repaired {files}; run `invoke lock`, `render` and `document`"
        if rows
        else "nothing to repair by facts alone"
    )
    out.print(Text(message))


def print_matrix(support_matrix: Matrix) -> None:
    """Environments by GPUs, in words; then why."""
    rows = [
        (name, *map(cell_text, cells))
        for name, cells in zip(support_matrix.environments, support_matrix.cells, strict=True)
    ]
    print_table("", ("environment", *support_matrix.gpus), rows)
    print_line("* is named by the service; ! other checks find something there")
    for line in explain_cells(support_matrix):
        print_line(line)


def print_facts(checked: FactsReport) -> None:
    """What is wrong with the facts, and how old each kind of them is."""
    rows = [
        (
            age.table,
            age.section,
            age.oldest,
            age.newest,
            str(age.days),
            str(age.max_age_days or "-"),
            str(len(age.expired)),
        )
        for age in checked.ages
    ]
    print_table("", ("table", "section", "oldest", "newest", "days", "good for", "past"), rows)
    for line in (*checked.problems, *map(str, checked.expired)):
        print_line(line)
    print_line(f"{len(checked.problems)} problems, {len(checked.expired)} too old")


def print_adoption(adoption_result: Adopted) -> None:
    """The draft, as it can be kept, and then to people what is wrong with what is there."""
    print_raw(adoption_result.adoption.text)
    out = console(sys.stderr)
    for match in adoption_result.adoption.matches:
        out.print(Text(f"{match.id}  {match.finding.location}: {match.finding.message}", style="bold red"))
        _print_evidence(out, match.finding.evidence)
        out.print(Text(f"        {match.finding.help}", style="cyan"))
    for path in adoption_result.skipped:
        out.print(Text(f"{path}: not read, since it is no text"))
    print_results(adoption_result.results, quiet=True, aside=True)


def print_adoption_json(adoption_result: Adopted) -> None:
    adoption = adoption_result.adoption
    print_json(
        {
            "name": adoption.name,
            "description": adoption.text,
            "missing": adoption.missing,
            "skipped": adoption_result.skipped,
            "caught": [{"id": match.id, **asdict(match.finding)} for match in adoption.matches],
            "results": [asdict(row) for row in adoption_result.results],
        }
    )


def print_plans(
    plans: Sequence[Plan], target: Target, derived: Mapping[str, Sequence[str]], *, json: bool = False
) -> None:
    """A plan a service: a table of what moves and why, what opens and closes, and the change as a unified diff.

    `derived`: the files that are made from a service's description and locks.
    """
    if json:
        services = [{**_plan_json(plan), "derived": derived[plan.service]} for plan in plans]
        print_json({"bump": str(target), "services": services})
        return
    for plan in plans:
        if plan.held_back:
            print_line(f"{plan.service}: held back: {plan.held_back}{f' ({plan.help})' if plan.help else ''}")
            continue
        rows = [(move.what, move.before, move.after, move.why) for move in plan.moves]
        print_table(f"{plan.service}: moved", ("what", "before", "after", "why"), rows)
        for word in ("follows", "gained", "lost", "closed", "opened", "notes"):
            for effect in getattr(plan, word):
                print_line(f"  {word.removesuffix('s') if word == 'notes' else word}: {effect}")
        for path in (*plan.outdated_layers, plan.file):
            print_line(f"  file: {path}")
        for path in derived[plan.service]:
            print_line(f"  made from them: {path}")
        if plan.outdated_layers:
            print_line(f"  the layers that are locked again hold {plan.present_bytes / 1e6:,.0f} MB today")
        print_raw(plan.difference)


def _plan_json(plan: Plan) -> dict[str, Any]:
    left_out = {"before", "after", "moved", "why"}
    return {k: v for k, v in asdict(plan).items() if k not in left_out} | {"diff": plan.difference}


def confirm(question: str) -> bool:
    """Whether people agree; where nobody is asked, since this is no terminal, they do."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def print_results_json(rows: Sequence[Result], *, notices: Sequence[str] = ()) -> None:
    for notice in notices:
        print_status(notice)
    print_json([asdict(row) for row in rows])


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def print_raw(content: str) -> None:
    sys.stdout.write(content)


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    rich_table = Table(title=title or None, title_justify="left", title_style="bold")
    for header in headers:
        rich_table.add_column(header, overflow="fold")
    for row in rows:
        rich_table.add_row(*(Text(cell) for cell in row))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(rich_table)


# --- a build as it goes ----------------------------------------------------------------------------------------------
