"""Findings, verdicts and the support matrix, as text for people."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.checks.report import Entry, count_statuses, entries
from torchpin.checks.run import verdicts
from torchpin.output.console import console, print_hanging
from torchpin.queries.support import explain_cells, gpus_by_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from torchpin.checks.registry import Result
    from torchpin.compat.measured import PackageShare
    from torchpin.lint.matches import Match
    from torchpin.model import Environment
    from torchpin.queries.support import Matrix

_STYLES = {
    "error": "bold red",
    "warning": "yellow",
    "unknown": "magenta",
    "notice": "cyan",
    "waived": "dim",
    "incompatible": "bold red",
    "failed": "bold red",
    "ok": "green",
}
_VERDICT_WIDTH = 13  # columns: "incompatible" and a blank


def print_results(
    results: Sequence[Result],
    *,
    notices: Sequence[str] = (),
    quiet: bool = False,
    to_stderr: bool = False,
) -> None:
    """Each finding with its help and evidence, what is unknown, waived and skipped, and the counts.

    `notices`: messages that belong to no check. `quiet`: without what is waived or skipped, which is still counted.
    """
    out = console(sys.stderr if to_stderr else sys.stdout)
    several = _services_with_variants(results)
    for entry in entries(results):
        if not (quiet and entry.kind == "waived"):
            print_entry(out, entry, several)
    for notice in notices:
        print_hanging(out, Text.assemble(("notice: ", _STYLES["notice"]), notice), 2)
    if not quiet:
        _print_skipped(out, results)
    print_hanging(out, Text(summary(results)), 2)


def print_entry(out: Console, entry: Entry, several: Iterable[str] = ()) -> None:
    """`error[ID] file:line:column: message`, then help, evidence and waiver, an indented line each."""
    location = entry.location or ", ".join(entry.environments)
    names = [name for name in entry.environments if name in several and entry.location]
    scope = f" ({', '.join(names)})" if names else ""
    label = (f"{entry.kind}[{entry.check}] ", _STYLES[entry.kind])
    message = f"{location}: {entry.message}{scope}" if location else entry.message
    print_hanging(out, Text.assemble(label, message), 2)
    if entry.waiver:
        waived = f"  waived until {entry.waiver.review_by}: {entry.waiver.reason}"
        print_hanging(out, Text(waived, style="dim"), 4)
        return
    if entry.help:
        print_hanging(out, Text.assemble(("  help: ", "green"), entry.help), 4)
    if entry.evidence:
        print_hanging(out, Text(f"  evidence: {entry.evidence}", style="dim"), 4)


def match_entry(match: Match, *, with_evidence: bool = True) -> Entry:
    """The match of a rule in another project's files, as an entry."""
    finding = match.finding
    return Entry(
        kind=finding.level,
        check=match.id,
        title="",
        message=finding.message,
        level=finding.level,
        location=finding.location,
        help=finding.help,
        evidence=finding.evidence if with_evidence else "",
    )


def _services_with_variants(results: Iterable[Result]) -> set[str]:
    """The environments whose service has several in the results: their findings have to name the environment."""
    names = {result.environment for result in results}
    counts = Counter(name.rpartition("-")[0] for name in names)
    return {name for name in names if counts[name.rpartition("-")[0]] > 1}


def _print_skipped(out: Console, results: Iterable[Result]) -> None:
    """A line for each reason, with the checks that it kept from running."""
    checks_by_reason: dict[str, dict[str, None]] = {}
    environments: dict[str, set[str]] = {}
    for result in results:
        if result.status == "skipped":
            checks_by_reason.setdefault(result.note, {})[result.check] = None
            environments.setdefault(result.note, set()).add(result.environment)
    for reason, checks in checks_by_reason.items():
        number = len(environments[reason])
        where = f"{number} environments" if number > 1 else next(iter(environments[reason]))
        line = f"skipped[{', '.join(sorted(checks))}] {where}: {reason}"
        print_hanging(out, Text(line, style="dim"), 2)


def summary(results: Sequence[Result]) -> str:
    """`2 errors, 1 warning, 3 notices; 40 checks: 35 ok, 3 incompatible, 2 skipped`."""
    statuses = ", ".join(f"{number} {status}" for status, number in count_statuses(results).items())
    number = f"{len(results)} check{'' if len(results) == 1 else 's'}"
    return f"{count_findings(entries(results))}; {number}: {statuses or 'none'}"


def count_findings(reported: Iterable[Entry]) -> str:
    """`2 errors, 1 warning`: how many entries there are of each level that is open."""
    kinds = [entry.kind for entry in reported]
    counts = [(kinds.count(kind), kind) for kind in ("error", "warning", "notice")]
    parts = [f"{number} {kind}{'' if number == 1 else 's'}" for number, kind in counts if number]
    return ", ".join(parts) or "no findings"


def print_service_verdicts(results: Sequence[Result], environments: Sequence[Environment]) -> None:
    """A line a service: its verdict and its name."""
    out = console(sys.stdout)
    for name, verdict in verdicts(results, environments).items():
        out.print(Text.assemble((f"{verdict:<{_VERDICT_WIDTH}}", _STYLES[verdict]), (name, "bold")))


def print_shares(shares: Mapping[str, PackageShare]) -> None:
    """How far the checks could look: how many of the packages have measured facts."""
    packages = {package for share in shares.values() for package in share.packages}
    measured = {package for share in shares.values() for package in share.measured}
    if packages:
        line = f"{len(measured)} of {len(packages)} packages have measured facts"
        print_hanging(console(sys.stdout), Text(line, style="dim"), 2)


def print_matrix(matrix: Matrix) -> None:
    """For each environment the GPUs of each verdict, then what the marks mean, then the reasons."""
    out = console(sys.stdout)
    for name, row in zip(matrix.environments, matrix.cells, strict=True):
        out.print(Text(name, style="bold"))
        for verdict, gpu_names in gpus_by_verdict(row).items():
            label = (f"  {verdict:<{_VERDICT_WIDTH}}", _STYLES[verdict])
            print_hanging(out, Text.assemble(label, ", ".join(gpu_names)), _VERDICT_WIDTH + 2)
    cells = [cell for row in matrix.cells for cell in row]
    if any(cell.described for cell in cells):
        out.print(Text("* listed in service.yaml"))
    if any(cell.notes for cell in cells):
        out.print(Text("! another check has a finding about this GPU"))
    for sentence in explain_cells(matrix):
        print_hanging(out, Text(sentence), 2)
