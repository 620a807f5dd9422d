"""Measures `judge` and the plan of a bump against `torchpin --list`: alternately, in one run.

    python bench/planning.py [RUNS]

Prints each command's median wall time in seconds, and its ratio to that of `--list`.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from nothing_to_do import seconds

from torchpin.workspace import workspace

COMMANDS = (
    ("--list",),
    ("judge",),
    ("bump", "torch==2.7.1", "--dry-run"),
    ("bump", "torch==2.8.0", "--dry-run"),
)


def main(runs: int) -> None:
    root = workspace.find_root(Path.cwd())
    environment = dict(os.environ)
    rounds = [[seconds(root, environment, *arguments) for arguments in COMMANDS] for _ in range(runs + 1)][1:]
    medians = [statistics.median(side) for side in zip(*rounds, strict=True)]
    for arguments, median in zip(COMMANDS, medians, strict=True):
        print(f"{' '.join(arguments)}: {median:.2f} s, {median / medians[0]:.1f} times --list")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
