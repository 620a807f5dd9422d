"""The sessions of `nox`, as the README's test command runs them, with everything required that the tests need.

    python bench/suite.py

Requires what `.ci/run` installs, and PyPI; some fifteen minutes. It is run once.
"""

from __future__ import annotations

import os
import sys

import workload
from measuring import Sample, run_command, summarize
from results import Aim, Row

SESSIONS = ("lint", "unit", "integration", "verify", "docs")
ALL = "all sessions"
_REQUIRED = "docker,network,registry,browser"
_SECONDS = 360


def main(_runs: int) -> list[Row]:
    """One row, with a side for each session. Raises RuntimeError with its output where a session fails."""
    environ = {**os.environ, "CI": "true", "TORCHPIN_REQUIRE": _REQUIRED}
    bootstrap = (sys.executable, str(workload.ROOT / "bootstrap.py"), "nox", "--session")
    samples = {
        session: run_command((*bootstrap, session), cwd=workload.ROOT, env=environ) for session in SESSIONS
    }
    samples[ALL] = Sample(
        wall=sum(sample.wall for sample in samples.values()),
        cpu=sum(sample.cpu for sample in samples.values()),
    )
    return [
        Row(
            work="nox",
            sides={name: summarize([sample]) for name, sample in samples.items()},
            aims=[Aim(side=ALL, limit=_SECONDS)],
        )
    ]


if __name__ == "__main__":
    for row in main(1):
        for side, summary in row.sides.items():
            print(f"{side}: {summary.wall:.0f} s, CPU {summary.cpu:.0f} s")
