"""Holds the judge against combinations of pins of which the world knows whether they work.

    python bench/truth/run.py [KIND]

Describes each case of the YAML files beside it as a service in memory (truth_cases.py has the form), judges it offline
from the tables of facts alone, and prints by kind of case:

- recall: bad cases with an open error or warning that names what is wrong, among all bad cases. The finding has to be of
  a check that the kind asks, and its text has to have one of the words of `about`: a refusal for another reason is a
  miss, and so is an answer of unknown.
- false alarms: good cases with any open error, among all good cases. Warnings (a base image without support, CUDA twice
  in an image) and notices are advice that a working combination can get too.
- unknown: cases, good or bad, that got neither and of which a check that is asked says unknown, among all cases. What
  wheels install is read when a lock is made, and no row states it: DEP004 is asked by the kind `files` alone.

Then it lists what was missed, falsely alarmed and unknown. Ends with 1 where the cases together miss a goal: recall
0.95, false alarms 0.01, unknown 0.08.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from truth_cases import KINDS, load_cases
from truth_judging import Judgement, judge, rates

if TYPE_CHECKING:
    from collections.abc import Sequence

RECALL, FALSE_ALARMS, UNKNOWN = 0.95, 0.01, 0.08


def print_table(judgements: Sequence[Judgement]) -> None:
    print(f"{'kind':<10} {'good':>5} {'bad':>5} {'recall':>7} {'alarms':>7} {'unknown':>8}")
    for kind in (*KINDS, "all"):
        rows = [judgement for judgement in judgements if kind in {judgement.case.kind, "all"}]
        if rows:
            good = sum(judgement.case.expect == "good" for judgement in rows)
            shares = rates(rows)
            print(
                f"{kind:<10} {good:>5} {len(rows) - good:>5} {shares.recall:>7.3f} {shares.false_alarms:>7.3f} {shares.unknown:>8.3f}"
            )


def print_list(title: str, lines: Sequence[tuple[Judgement, str]]) -> None:
    print(f"\n{title}: {len(lines)}")
    for judgement, text in lines:
        case = judgement.case
        print(f"  {case.id} ({case.file}, {case.kind}): {text or 'nothing was said'} <{case.source}>")


def main(kind: str = "") -> int:
    if kind not in {"", *KINDS}:
        sys.exit(f"unknown kind: {kind}; choose one of {', '.join(KINDS)}")
    judgements = [judge(case) for case in load_cases() if kind in {"", case.kind}]
    print_table(judgements)
    print_list(
        "missed", [(row, row.detail) for row in judgements if row.answer == "missed" and not row.unknown]
    )
    print_list("false alarms", [(row, row.detail) for row in judgements if row.answer == "alarmed"])
    print_list("unknown", [(row, row.unknown) for row in judgements if row.unknown])
    shares = rates(judgements)
    is_met = shares.recall >= RECALL and shares.false_alarms <= FALSE_ALARMS and shares.unknown <= UNKNOWN
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
