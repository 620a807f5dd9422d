"""What `adopt` drafted: the description to stdout, all else to stderr; or one JSON document."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text

from torchpin.checks.report import entries as open_entries
from torchpin.checks.verdict_text import count_findings
from torchpin.lint.result import UNPINNED
from torchpin.output.console import console, print_hanging, print_lines
from torchpin.output.documents import print_document
from torchpin.output.findings import match_entry, print_entry, print_results
from torchpin.output.terminal import print_raw
from torchpin.output.volume import is_verbose
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.adopt import Adopted


def print_draft(adopted: Adopted, *, json: bool, is_written: bool = False) -> None:
    """`is_written`: the description is in a file, and not printed."""
    if json:
        print_adoption_json(adopted)
    else:
        print_adoption(adopted, is_written=is_written)


def print_adoption(adoption_result: Adopted, *, is_written: bool = False) -> None:
    """The drafted description to stdout; to stderr the rules' matches, the files left out, and the judge's results.

    What the steps that are left to do say is no finding here: packages without a version are counted.
    """
    if not is_written:
        print_raw(adoption_result.adoption.text)
    out = console(sys.stderr)
    matches = adoption_result.adoption.matches
    shown = [match for match in matches if match.id != UNPINNED or is_verbose()]
    entries = [match_entry(match, with_evidence=is_verbose()) for match in shown]
    for entry in entries:
        print_entry(out, entry)
    unpinned = len(matches) - len(shown)
    unpinned_text = f", {count(unpinned, 'package')} without a version" if unpinned else ""
    print_lines(out, Text(f"rules: {count_findings(entries)}{unpinned_text}"))
    for reason in adoption_result.skipped:
        print_lines(out, Text(reason))
    further = adoption_result.further_results
    if further:  # none where no description could be drafted
        is_open = any(result.findings for result in further) or not adoption_result.adoption.steps
        last = "" if is_open else f"{count_findings(open_entries(further))} besides what is left to do"
        print_results(further, last=last, to_stderr=True)


def print_steps(steps: Sequence[str]) -> None:
    """What is left for a person, in order, to stderr: the last lines of an adoption."""
    out = console(sys.stderr)
    if steps:
        print_lines(out, Text("left to do:"))
    for number, step in enumerate(steps, start=1):
        print_hanging(out, Text(f"  {number}. {step}"), len(f"  {number}. "))


def print_adoption_json(adoption_result: Adopted) -> None:
    adoption = adoption_result.adoption
    print_document(
        {
            "name": adoption.name,
            "description": adoption.text,
            "missing": adoption.missing,
            "questions": [{**asdict(value), "option": value.option} for value in adoption.questions],
            "unpinned": adoption.unpinned,
            "steps": adoption.steps,
            "skipped": adoption_result.skipped,
            "matches": [{"id": match.id, **asdict(match.finding)} for match in adoption.matches],
            "results": [asdict(row) for row in adoption_result.results],
        }
    )
