"""What `check` found, for people: errors first, then what floats, and a line for the packages without a version of a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.commands.check import NOTHING_TO_CHECK
from torchpin.lint.result import UNPINNED
from torchpin.output.console import console, print_hanging
from torchpin.output.findings import match_entry, print_entry
from torchpin.output.terminal import print_error, print_raw
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from torchpin.commands.check import CheckReport
    from torchpin.lint.matches import Match
    from torchpin.lint.result import LintResult

_ORDER = ("error", "warning", "notice")


def print_check(report: CheckReport, *, verbose: bool = False, quiet: bool = False) -> None:
    """`verbose`: with evidence, and each package without a version; `quiet`: errors and warnings alone."""
    out = console(sys.stdout)
    if report.difference:
        print_raw(report.difference)
    else:
        _print_matches(report.result, verbose=verbose, quiet=quiet)
    for problem in report.problems:
        print_error(problem)
    if quiet:
        return
    for line in _notes(report):
        print_hanging(out, Text(line, style="dim"), 2)
    if report.problems and not report.result.texts:
        return  # nothing was checked
    print_hanging(out, Text(summary_line(report)), 2)


def _print_matches(result: LintResult, *, verbose: bool, quiet: bool) -> None:
    out = console(sys.stdout)
    matches = result.matches if verbose else result.shown
    for match in matches:
        if match.finding.level != "notice" or (verbose and not quiet):
            print_entry(out, match_entry(match, with_evidence=verbose))
            print_hanging(out, Text(""), 0)
    if verbose:
        return
    for line in unpinned_lines(result):
        print_hanging(out, Text.assemble((f"warning[{UNPINNED}] ", "yellow"), line), 2)
    if not quiet:
        _print_notices(out, result)


def _print_notices(out: Console, result: LintResult) -> None:
    """The notices; several of one rule in a file as a line."""
    groups: dict[tuple[str, str], list[Match]] = {}
    for match in result.shown:
        if match.finding.level == "notice":
            groups.setdefault((match.id, match.place[0]), []).append(match)
    for (id_, _), matches in groups.items():
        if len(matches) == 1:
            print_entry(out, match_entry(matches[0], with_evidence=False))
            continue
        first = matches[0].finding
        line = f"{first.location}: {first.message}; and {len(matches) - 1} more in this file"
        print_hanging(out, Text.assemble((f"notice[{id_}] ", "cyan"), line), 2)


def unpinned_lines(result: LintResult) -> Iterator[str]:
    """`requirements.txt: 31 of 40 packages without a version`, a line a file."""
    for file, number in result.unpinned.items():
        every = max(result.packages.get(file, 0), number)
        yield f"{file}: {number} of {count(every, 'package')} without a version"


def _notes(report: CheckReport) -> Iterator[str]:
    """What was fixed, written and passed over, and what of the baseline is no more."""
    verb = "would be fixed" if report.difference else "fixed"
    if report.fix_requested and not (report.fixed or report.refused):
        yield "nothing to fix"
    for match in report.fixed:
        yield f"{verb}[{match.id}] {match.finding.location}: {match.finding.message}"
    for match in report.refused:
        yield f"not fixed[{match.id}] {match.finding.location}: the edit does not end it, or causes an error"
    for path in report.written:
        yield f"wrote {path}"
    for (id_, file, _), number in sorted(report.result.stale.items()):
        times = f" ({number} times)" if number > 1 else ""
        yield f"the baseline has {id_} in {file}{times}, which no longer exists; `{report.baseline_command}` removes it"
    yield from report.skipped


def summary_line(report: CheckReport) -> str:
    """`3 errors, 5 warnings, 31 packages without a version`; then how many are ignored or known, and what `--fix` does."""
    result = report.result
    if not result.texts and not report.problems:
        return f"nothing was checked: {NOTHING_TO_CHECK}"
    unpinned = sum(result.unpinned.values())
    counts = {level: sum(match.finding.level == level for match in result.shown) for level in _ORDER}
    parts = [count(counts[level], level) for level in ("error", "warning") if counts[level]]
    parts += [f"{count(unpinned, 'package')} without a version"] if unpinned else []
    parts += [count(counts["notice"], "notice")] if counts["notice"] else []
    text = ", ".join(parts) or "no findings"
    others = [(len(result.ignored), "ignored"), (len(result.known), "in the baseline")]
    aside = ", ".join(f"{number} {what}" for number, what in others if number)
    fixable = sum(match.finding.fix_is_safe for match in result.matches)
    hint = f"; `invoke check --fix` corrects {fixable}" if fixable and not report.fixed else ""
    return f"{text}{f' ({aside})' if aside else ''}{hint}"


def fixable_word(match: Match) -> str:
    """Whether and how a match can be fixed: "safe", "unsafe" or ""."""
    return ("safe" if match.finding.fix_is_safe else "unsafe") if match.edits else ""
