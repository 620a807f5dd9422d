"""Whole commands of this checkout against those of another one: in turn, in one run.

    python bench/compare.py OTHER_CHECKOUT [RUNS]

Both checkouts are set up (`python3 bootstrap.py invoke --list`). Prints for each command the median wall time of both in
milliseconds, and the median of the ratios this/other, pair by pair.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# The commands are run as people have them: with bytecode, and each with the package of its own checkout.
IGNORED_VARIABLES = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
COMMANDS = (
    ("--list",),
    ("judge",),
    ("bump", "torch==2.8.0", "--service", "lora", "--reason", "x", "--dry-run"),
)


def seconds(checkout: Path, arguments: tuple[str, ...]) -> float:
    """The wall time of one command in a checkout, by the checkout's own environment."""
    start = time.perf_counter()
    subprocess.run(
        (str(checkout / ".venv/bin/torchpin"), *arguments),
        cwd=checkout,
        env={name: value for name, value in os.environ.items() if name not in IGNORED_VARIABLES},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - start


def main(other: Path, runs: int) -> None:
    this = Path(__file__).parents[1]
    for arguments in COMMANDS:
        # The first pair writes bytecode and fills the caches of the file system; it is not counted.
        pairs = [(seconds(this, arguments), seconds(other, arguments)) for _ in range(runs + 1)][1:]
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(left / right for left, right in pairs)
        print(f"{' '.join(arguments)}: {ours * 1000:.0f} ms, {theirs * 1000:.0f} ms, ratio {ratio:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if sys.argv[2:] else 15)
