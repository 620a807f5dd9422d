"""Runs groups of benchmarks, keeps their figures in bench/results/, and writes docs/BENCHMARKS.md.

    python bench/all.py [GROUP]... [--runs N]

Without a group all are run: an hour on two processors that do nothing else. What a group needs is in its own file.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import assembling
import builds
import check
import locking
import proofs
import results
import scale
import sharing
import start
import suite

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS: dict[str, tuple[str, Callable[[int], list[results.Row]]]] = {
    "start": ("The start of the command line", lambda runs: start.main(max(runs, 15))),
    "check": ("Checks of other projects", lambda runs: check.main(max(runs, 5))),
    "locking": ("Locks and checks", locking.main),
    "scale": ("A thousand services", scale.rows),
    "layers": ("Layers out of wheels", assembling.main),
    "sharing": ("Services with the same torch", sharing.main),
    "proofs": ("The proof of an environment", proofs.main),
    "builds": ("Images of a real service", lambda runs: builds.main(runs, None)),
    "suite": ("The tests of torchpin", suite.main),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="nox -s bench --", description="Run benchmarks and write docs/BENCHMARKS.md."
    )
    parser.add_argument("groups", metavar="GROUP", nargs="*", help=f"one of {', '.join(GROUPS)}")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each side (3)")
    options = parser.parse_args()
    if unknown := [group for group in options.groups if group not in GROUPS]:
        parser.error(f"unknown group: {', '.join(unknown)}; choose from {', '.join(GROUPS)}")
    for group in options.groups or GROUPS:
        results.save(group, GROUPS[group][1](options.runs))
    titles = {group: title for group, (title, _) in GROUPS.items()}
    results.PAGE.write_text(results.page(titles), encoding="utf-8")


if __name__ == "__main__":
    main()
