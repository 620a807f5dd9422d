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
from torchpin.queries.support import reasons, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.model import Plan
    from torchpin.bump.target import Target
    from torchpin.checks.registry import Result
    from torchpin.commands.adopt import Adopted
    from torchpin.commands.facts import Checked
    from torchpin.commands.fix import Repaired
    from torchpin.model import Environment, Outcome
    from torchpin.queries.support import Matrix

_MARKS = {"changed": ("done", "green"), "same": ("same", "dim"), "failed": ("FAILED", "bold red")}
_STATUS = {
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


def say(text: object) -> None:
    console().print(Text(str(text)))


def aside(text: object) -> None:
    """A word to people while programs read the output."""
    console(sys.stderr).print(Text(str(text), style="dim"))


def error(text: object) -> None:
    console(sys.stderr).print(Text(str(text), style="red"))


def outcomes(rows: Sequence[Outcome], *, aside: bool = False) -> int:
    """A line each; the worst exit code that they ask for. `aside`: a program reads the output, people the other stream."""
    for row in rows:
        word, style = _MARKS[row.status]
        line = Text(f"{word:<6} ", style=style)
        line.append(row.name, style="bold")
        took = f"  ({row.seconds:.1f} s)" if row.seconds >= 0.1 else ""  # noqa: PLR2004 - tenths are shown
        line.append(f"  {row.detail}{took}" if row.detail or took else "", style="")
        (console(sys.stderr) if aside or row.status == "failed" else console()).print(line)
    return max((row.code for row in rows), default=0)


def summary(rows: Sequence[Outcome]) -> None:
    """One table of what became of several things."""
    cells = [
        (
            row.name,
            _MARKS[row.status][0],
            f"{row.seconds:.1f} s",
            row.detail.splitlines()[0] if row.detail else "",
        )
        for row in rows
    ]
    table("", ("environment", "result", "took", "what"), cells)


def outcomes_json(rows: Sequence[Outcome]) -> int:
    for row in rows:
        sys.stdout.write(json.dumps({"event": "outcome", **asdict(row)}) + "\n")
    return max((row.code for row in rows), default=0)


def results(
    rows: Sequence[Result], *, notices: Sequence[str] = (), quiet: bool = False, aside: bool = False
) -> None:
    """Findings with where, evidence and remedy; skips and unknowns with their reasons; the count of everything."""
    out = console(sys.stderr) if aside else console()
    for row in rows:
        if row.status in {"ok", "moot"} or (quiet and row.status in {"skipped", "waived"}):
            continue
        _result(out, row)
    for notice in notices:
        out.print(Text(notice, style="yellow"))
    counts = {status: sum(row.status == status for row in rows) for status in _STATUS}
    out.print(Text(f"{len(rows)} checks: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n)))


def _result(out: Console, row: Result) -> None:
    head = Text(f"{row.status:<8}", style=_STATUS[row.status])
    head.append(f"{row.check} {row.environment}: {row.title}", style="")
    out.print(head.append(f" ({row.note})" if row.note else ""))
    for one in row.findings:
        warned = "warning: " if one.level == "warning" else ""
        out.print(Text(f"    {one.where}: {warned}{one.message}"))
        _evidence(out, one.evidence)
        out.print(Text(f"        {one.remedy}", style="cyan"))
    for each in row.accepted:
        out.print(Text(f"    {each.finding.where}: {each.finding.message}", style="dim"))
        _evidence(out, each.finding.evidence)
        words = f"waived until {each.waiver.review_by}: {each.waiver.reason}"
        out.print(Text(f"        {words}", style="yellow"))
    for message in row.unknown:
        out.print(Text(f"    unknown: {message}", style=_STATUS["unknown"]))


def _evidence(out: Console, evidence: str) -> None:
    if evidence:
        out.print(Text(f"        evidence: {evidence}", style="dim"))


def judged(
    rows: Sequence[Result],
    environments: Sequence[Environment],
    *,
    form: str = "text",
    notices: Sequence[str] = (),
) -> None:
    """The judge's results in the form that was asked for; as text with a verdict a service."""
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    if form == "json":
        print_json(machine.document(rows, environments, today, notices))
    elif form == "sarif":
        print_json(machine.sarif(rows))
    elif form == "github":
        raw("".join(f"{line}\n" for line in machine.github(rows)))
    else:
        results(rows, notices=notices)
        styles = {"ok": "green", "warned": "yellow", "refused": "bold red", "unknown": "magenta"}
        for name, word in run.verdicts(rows, environments).items():
            console().print(Text(f"{word:<8}", style=styles[word]).append(name, style="bold"))


def repaired(rows: Sequence[Repaired], *, aside: bool = False) -> None:
    """What was repaired, as a difference that can be read."""
    out = console(sys.stderr) if aside else console()
    for one in rows:
        out.print(Text(edit.difference(one.before, one.after, one.file).rstrip("\n")))
    files = ", ".join(one.file for one in rows)
    done = (
        f"repaired {files}; run `invoke lock`, `render` and `document`"
        if rows
        else "nothing to repair by facts alone"
    )
    out.print(Text(done))


def matrix(found: Matrix) -> None:
    """Environments by GPUs, in words; then why."""
    rows = [(name, *map(text, cells)) for name, cells in zip(found.environments, found.cells, strict=True)]
    table("", ("environment", *found.gpus), rows)
    say("* is named by the service; ! other checks find something there")
    for line in reasons(found):
        say(line)


def facts(found: Checked) -> None:
    """What is wrong with the facts, and how old each kind of them is."""
    rows = [
        (
            one.table,
            one.section,
            one.oldest,
            one.newest,
            str(one.days),
            str(one.limit or "-"),
            str(len(one.past)),
        )
        for one in found.ages
    ]
    table("", ("table", "section", "oldest", "newest", "days", "good for", "past"), rows)
    for line in (*found.problems, *map(str, found.past)):
        say(line)
    say(f"{len(found.problems)} problems, {len(found.past)} too old")


def adopted(found: Adopted) -> None:
    """The draft, as it can be kept, and then to people what is wrong with what is there."""
    raw(found.adoption.text)
    out = console(sys.stderr)
    for one in found.adoption.caught:
        out.print(Text(f"{one.id}  {one.finding.where}: {one.finding.message}", style="bold red"))
        _evidence(out, one.finding.evidence)
        out.print(Text(f"        {one.finding.remedy}", style="cyan"))
    for path in found.skipped:
        out.print(Text(f"{path}: not read, since it is no text"))
    results(found.results, quiet=True, aside=True)


def adopted_json(found: Adopted) -> None:
    made = found.adoption
    print_json(
        {
            "name": made.name,
            "description": made.text,
            "missing": made.missing,
            "skipped": found.skipped,
            "caught": [{"id": one.id, **asdict(one.finding)} for one in made.caught],
            "results": [asdict(row) for row in found.results],
        }
    )


def bump(
    plans: Sequence[Plan], asked: Target, derived: Mapping[str, Sequence[str]], *, json: bool = False
) -> None:
    """A plan a service: a table of what moves and why, what opens and closes, and the change as a unified diff.

    `derived`: the files that are made from a service's description and locks.
    """
    if json:
        services = [{**_plan(one), "derived": derived[one.service]} for one in plans]
        print_json({"bump": str(asked), "services": services})
        return
    for one in plans:
        if one.held:
            say(f"{one.service}: held back: {one.held}{f' ({one.frees})' if one.frees else ''}")
            continue
        rows = [(each.what, each.before, each.after, each.why) for each in one.moves]
        table(f"{one.service}: moved", ("what", "before", "after", "why"), rows)
        for word in ("follows", "gained", "lost", "closed", "opened", "notes"):
            for each in getattr(one, word):
                say(f"  {word.removesuffix('s') if word == 'notes' else word}: {each}")
        for each in (*one.stale, one.file):
            say(f"  file: {each}")
        for each in derived[one.service]:
            say(f"  made from them: {each}")
        if one.stale:
            say(f"  the layers that are locked again hold {one.present_bytes / 1e6:,.0f} MB today")
        raw(one.difference)


def _plan(one: Plan) -> dict[str, Any]:
    left_out = {"before", "after", "moved", "why"}
    return {k: v for k, v in asdict(one).items() if k not in left_out} | {"diff": one.difference}


def agreed(question: str) -> bool:
    """Whether people agree; where nobody is asked, since this is no terminal, they do."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def results_json(rows: Sequence[Result], *, notices: Sequence[str] = ()) -> None:
    for notice in notices:
        aside(notice)
    print_json([asdict(row) for row in rows])


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def raw(text: str) -> None:
    sys.stdout.write(text)


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(title=title or None, title_justify="left", title_style="bold")
    for header in headers:
        shown.add_column(header, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(shown)


# --- a build as it goes ----------------------------------------------------------------------------------------------
