"""Findings, verdicts and the support matrix, as text for people."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin import paths
from torchpin.checks.report import Entry, entries
from torchpin.checks.run import is_failure
from torchpin.checks.verdict_text import forecast_sentence, hidden_counts, summary_sentence
from torchpin.output.console import console, print_hanging
from torchpin.output.volume import is_quiet, is_verbose, task_name
from torchpin.quantities import count
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
# The kinds of entries that are not shown, and only counted.
_HIDDEN = MappingProxyType({"quiet": {"notice", "waived"}, "normal": {"waived"}, "verbose": frozenset[str]()})
_VERDICT_WIDTH = 13  # columns: "incompatible" and a blank


def print_results(
    results: Sequence[Result],
    *,
    notices: Sequence[str] = (),
    counts: str = "",
    last: str = "",
    failed: bool = False,
    to_stderr: bool = False,
) -> None:
    """What is open, a paragraph each; then what is not shown, in a line of counts; then the verdict as a sentence.

    `notices`: messages that belong to no check. `counts`: what else is counted. `last`: the verdict, where the results do not
    give it; `failed`: it is bad news. A verbose task lists what is waived, skipped and not applicable; a quiet one shows errors,
    warnings, and unknowns that can be mended, such as the misspelled name of a GPU.
    """
    out = console(sys.stderr if to_stderr else sys.stdout)
    several = _services_with_variants(results)
    paragraphs = _same_entries(results)
    for same in paragraphs:
        _print_paragraph(out, same, several)
    if is_quiet():
        # by an option alone, such as --require
        if failed and all(same[0].kind == "unknown" for same in paragraphs):
            print_hanging(out, Text(last or summary_sentence(results), style=_STYLES["error"]), 2)
        return
    for notice in notices:
        print_hanging(out, Text.assemble(("notice: ", _STYLES["notice"]), notice), 2)
    if is_verbose():
        _print_skipped(out, results)
        _print_not_applicable(out, results)
    else:
        counts = "; ".join(
            filter(None, (hidden_counts(results, can_require=task_name() == "verify"), counts))
        )
    if counts:
        print_hanging(out, Text(counts, style="dim"), 2)
    kinds = {"error" if failed else "ok", *(entry.kind for entry in entries(results))}
    style = next(
        style for kind, style in _STYLES.items() if kind in kinds and kind not in {"notice", "waived"}
    )
    print_hanging(out, Text(last or summary_sentence(results), style=style), 2)


def _same_entries(results: Sequence[Result]) -> list[list[Entry]]:
    """The entries that are shown, in their order; those that say the same of several places together."""
    hidden = _HIDDEN["quiet" if is_quiet() else "verbose" if is_verbose() else "normal"]
    groups: dict[Entry, list[Entry]] = {}
    for entry in entries(results):
        is_fact_missing = entry.kind == "unknown" and not entry.help
        if entry.kind not in hidden and not (is_quiet() and is_fact_missing):
            text = replace(entry, location="", evidence="", environments=())
            groups.setdefault(text if entry.location else entry, []).append(entry)
    return [*groups.values()]


def _print_paragraph(out: Console, same: Sequence[Entry], several: Iterable[str]) -> None:
    """An entry, the other places where it holds, and a blank line."""
    first, *others = same
    evidence = first.evidence if is_verbose() else ""
    places = [_place(entry, several) for entry in others]
    print_entry(out, replace(first, evidence=evidence), several, also=places)
    print_hanging(out, Text(""), 0)


def print_entry(out: Console, entry: Entry, several: Iterable[str] = (), *, also: Sequence[str] = ()) -> None:
    """`error[ID] file:line:column: message`, then other places, help, evidence and waiver, an indented line each."""
    names = _scope(entry, several)
    location = _subject(entry)
    scope = f" ({', '.join(names)})" if names else ""
    label = (f"{entry.kind}[{entry.check}] ", _STYLES[entry.kind])
    message = f"{location}: {entry.message}{scope}" if location else entry.message
    print_hanging(out, Text.assemble(label, message), 2)
    if also:
        print_hanging(out, Text(f"  also: {', '.join(also)}"), 4)
    if entry.waiver:
        waived = f"  waived until {entry.waiver.review_by}: {entry.waiver.reason}"
        print_hanging(out, Text(waived, style="dim"), 4)
        return
    if entry.help:
        print_hanging(out, Text.assemble(("  help: ", "green"), entry.help), 4)
    if entry.evidence:
        print_hanging(out, Text(f"  evidence: {entry.evidence}", style="dim"), 4)


def _place(entry: Entry, several: Iterable[str]) -> str:
    """A place with the environments that it holds for, where its service has several."""
    names = _scope(entry, several)
    subject = _subject(entry)
    return f"{subject} ({', '.join(names)})" if names else subject


def _subject(entry: Entry) -> str:
    """Where an entry is; of an option, such as `--gpu B200`, whose pins it is about: `lora-gpu (--gpu B200)`."""
    names = ", ".join(entry.environments)
    if names and entry.location.startswith("--"):
        return f"{names} ({entry.location})"
    return entry.location or names


def _scope(entry: Entry, several: Iterable[str]) -> list[str]:
    """The environments of services with several, where the place does not tell: in a description."""
    is_shared = entry.location.startswith(f"{paths.SERVICES}/")
    return [name for name in entry.environments if is_shared and name in several]


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


def _print_not_applicable(out: Console, results: Iterable[Result]) -> None:
    """A line an environment, with the checks that have nothing to judge in it."""
    checks: dict[str, list[str]] = {}
    for result in results:
        if result.status == "not applicable":
            checks.setdefault(result.environment, []).append(result.check)
    for environment, names in checks.items():
        print_hanging(out, Text(f"not applicable to {environment}: {', '.join(names)}", style="dim"), 2)


def print_forecast(
    results: Sequence[Result],
    environments: Sequence[Environment],
    *,
    notices: Sequence[str] = (),
    shares: Mapping[str, PackageShare] = MappingProxyType({}),
    strict: bool = False,
) -> None:
    """Results of the judge, with whether the pins can work as the last line."""
    sentence = forecast_sentence(results, environments, strict=strict)
    failed = any(is_failure(result, strict=strict) for result in results)
    print_results(results, notices=notices, counts=share_text(shares), last=sentence, failed=failed)


def share_text(shares: Mapping[str, PackageShare]) -> str:
    """How far the checks could look: how many of the packages have measured facts."""
    packages = {package for share in shares.values() for package in share.packages}
    measured = {package for share in shares.values() for package in share.measured}
    return f"{len(measured)} of {count(len(packages), 'package')} have measured facts" if packages else ""


def print_matrix(matrix: Matrix) -> None:
    """For each environment the GPUs of each verdict, then the CPU variants, what the marks mean, and the reasons."""
    out = console(sys.stdout)
    for name, row in zip(matrix.environments, matrix.cells, strict=True):
        out.print(Text(name, style="bold"))
        for verdict, gpu_names in gpus_by_verdict(row).items():
            label = (f"  {verdict:<{_VERDICT_WIDTH}}", _STYLES[verdict])
            print_hanging(out, Text.assemble(label, ", ".join(gpu_names)), _VERDICT_WIDTH + 2)
    if matrix.cpu:
        print_hanging(out, Text(f"on CPUs: {', '.join(matrix.cpu)}"), 2)
    cells = [cell for row in matrix.cells for cell in row]
    marks = {
        "* listed in service.yaml": any(cell.described for cell in cells),
        "! another check has a finding about this GPU": any(cell.notes for cell in cells),
    }
    for meaning, is_used in marks.items():
        if is_used:
            out.print(Text(meaning, style="dim"))
    for sentence in explain_cells(matrix):
        print_hanging(out, Text(sentence), 2)
