"""The start of the command line: `invoke --list` here, and of an empty tasks.py, alternately.

    python bench/start.py [RUNS]

Requires a set-up checkout (`python3 bootstrap.py invoke --list`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import workload
from measuring import Sample, run_command, summarize
from results import Aim, Row

LISTING, EMPTY = "torchpin", "empty tasks.py"


def main(runs: int) -> list[Row]:
    command = (str(workload.ROOT / ".venv/bin/invoke"), "--list")
    samples: dict[str, list[Sample]] = {LISTING: [], EMPTY: []}
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        Path(name, "tasks.py").write_text("")
        folders = {LISTING: workload.ROOT, EMPTY: Path(name)}
        for number in range(runs + 1):
            for side, folder in folders.items():
                sample = run_command(command, cwd=folder, codes=(0, 1))
                if number:  # the first pair writes bytecode
                    samples[side].append(sample)
    sides = {side: summarize(listed) for side, listed in samples.items()}
    return [Row(work="--list", sides=sides, aims=[Aim(side=LISTING, other=EMPTY, limit=1.1)])]


if __name__ == "__main__":
    for row in main(int(sys.argv[1]) if sys.argv[1:] else 15):
        for side, summary in row.sides.items():
            print(f"{row.work}: {side}: {summary.wall * 1000:.0f} ms, CPU {summary.cpu * 1000:.0f} ms")
