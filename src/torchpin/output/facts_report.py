"""What `facts` checked, compared or measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torchpin.commands.facts import FactsReport, RefreshResult, refresh_report
from torchpin.output.documents import print_document
from torchpin.output.tables import print_table
from torchpin.output.terminal import print_line
from torchpin.output.volume import is_quiet, is_verbose
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.commands.measure import MeasureResult
    from torchpin.facts import SectionAge


def print_facts_result(result: FactsReport | RefreshResult | MeasureResult, *, json: bool = False) -> None:
    if json:
        print_document(_facts_document(result))
    elif isinstance(result, FactsReport):
        print_facts(result)
    elif isinstance(result, RefreshResult):
        _print_lines(refresh_report(result))
    else:
        _print_lines(
            [*result.lines, *result.unread, *(f"wrote {path}" for path in result.written), *result.problems]
        )


def print_facts(checked: FactsReport) -> None:
    """Contradictions, what is expired, and how old the oldest facts are; a verbose task has a row for each section."""
    if is_verbose():
        _print_ages(checked.ages)
    _print_lines([*checked.problems, *map(str, checked.expired)])
    if is_quiet():
        return
    oldest = min((age.oldest for age in checked.ages), default="unknown")
    print_line(f"{count(len(checked.ages), 'section')} of facts, the oldest of {oldest}; `-v` lists them")
    print_line(f"problems: {len(checked.problems)}, expired: {len(checked.expired)}")


def _print_ages(ages: Sequence[SectionAge]) -> None:
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
        for age in ages
    ]
    print_table("", ("table", "section", "oldest", "newest", "days", "limit", "lacks", "expired"), rows)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(line)


def _facts_document(result: FactsReport | RefreshResult | MeasureResult) -> dict[str, Any]:
    """What was checked, or what was compared or measured as lines, and the problems."""
    if isinstance(result, FactsReport):
        return {
            "sections": [{**asdict(age), "expired": list(map(str, age.expired))} for age in result.ages],
            "problems": list(result.problems),
        }
    lines = refresh_report(result) if isinstance(result, RefreshResult) else [*result.lines, *result.unread]
    return {"lines": list(lines), "written": list(result.written or ()), "problems": list(result.problems)}
