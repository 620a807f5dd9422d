"""Fuzzes all targets, or some, for a time that they share: `nox -s fuzz [-- --minutes N --target NAME --seed S]`.

What was tried stays in .fuzz/TARGET/corpus for the next run, what failed in .fuzz/TARGET/crashes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fuzz.targets import TARGETS

_FOLDER = Path(".fuzz")
# libFuzzer starts with short inputs, of which hypothesis can draw nothing: the corpus is begun with longer random ones.
_FIRST_INPUTS, _FIRST_SIZES, _LARGEST_INPUT = 40, (64, 256, 1_024, 4_096), 8_192
# An input that does not come back, or takes this much memory, ends the process and is a failure too.
_OPTIONS = (
    "-timeout=120",  # seconds of wall time; the bound on CPU time is in the harness
    "-report_slow_units=120",
    "-rss_limit_mb=3000",
    f"-max_len={_LARGEST_INPUT}",
    "-len_control=0",
    "-print_final_stats=1",
    "-verbosity=1",
)
_LEAST_SECONDS = 5  # a process that ended early is started again if so much of its time is left
# libFuzzer leaves out the counts of coverage where no instrumented line ran
_PROGRESS = re.compile(r"^#(\d+)\s+[A-Za-z]+\s.*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What libFuzzer counted: inputs, those that hypothesis could draw a value from, covered edges, inputs kept for the corpus."""

    executed: int = 0
    checked: int = 0
    edges: int = 0
    corpus: int = 0


def parse_counts(log: str) -> Counts:
    """The counts of a log of libFuzzer, from its last line of progress."""
    lines = list(_PROGRESS.finditer(log))
    if not lines:
        return Counts()
    edges, corpus = (re.search(rf"{name}: (\d+)", lines[-1][0]) for name in ("cov", "corp"))
    return Counts(
        executed=int(lines[-1][1]),
        edges=int(edges[1]) if edges else 0,
        corpus=int(corpus[1]) if corpus else 0,
    )


def fuzz_target(name: str, seconds: float, seed: int) -> Counts:
    """Runs a target's process for some seconds, again where an input ended it, and adds up the counts."""
    folder = _FOLDER / name
    for part in ("corpus", "crashes"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_first_inputs(folder / "corpus", seed)
    total, end = Counts(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > (_LEAST_SECONDS if total.executed else 0):
        counts = _run_process(name, folder, int(left), seed)
        total = Counts(
            executed=total.executed + counts.executed,
            checked=total.checked + counts.checked,
            edges=max(total.edges, counts.edges),
            corpus=counts.corpus,
        )
        seed += 1
        if not counts.executed:
            break
    return total


def _write_first_inputs(folder: Path, seed: int) -> None:
    if any(folder.iterdir()):
        return
    source = random.Random(seed)
    for number in range(_FIRST_INPUTS):
        size = _FIRST_SIZES[number % len(_FIRST_SIZES)]
        (folder / f"first-{number}").write_bytes(source.randbytes(size))


def _run_process(name: str, folder: Path, seconds: int, seed: int) -> Counts:
    log = folder / "log.txt"
    (folder / "checked").write_text("0")
    options = (
        f"-max_total_time={max(1, seconds)}",
        f"-seed={seed}",
        f"-artifact_prefix={folder}/crashes/",
        *_OPTIONS,
    )
    with log.open("wb") as file:
        subprocess.run(
            [sys.executable, "-m", "fuzz.worker", name, str(folder), *options, str(folder / "corpus")],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    counts = parse_counts(log.read_text(errors="replace"))
    checked = int((folder / "checked").read_text() or "0")
    return Counts(executed=counts.executed, checked=checked, edges=counts.edges, corpus=counts.corpus)


def crash_files(name: str) -> list[Path]:
    """What failed of a target: descriptions of failing inputs, and inputs that ended their process."""
    files = sorted((_FOLDER / name / "crashes").glob("*"))
    return [path for path in files if path.suffix != ".bin"]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description="Fuzz torchpin's readers.")
    parser.add_argument(
        "--minutes", type=float, default=20, help="that the targets share (default: %(default)s)"
    )
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="only this target; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="of the random numbers; a random one without")
    parser.add_argument(
        "--repeat", type=Path, metavar="FILE", help="a failing input of one target, checked once more"
    )
    return parser.parse_args()


def main() -> int:
    """The exit code: 1 if anything failed, in this run or in one before whose files are still there."""
    arguments = _parse_arguments()
    if not find_spec("atheris"):
        print("atheris is not installed; it has wheels for Python 3.11 to 3.13 on Linux (x86_64) alone")
        return 2
    names = arguments.target or list(TARGETS)
    if arguments.repeat:
        command = [
            sys.executable,
            "-m",
            "fuzz.worker",
            names[0],
            str(_FOLDER),
            "--repeat",
            str(arguments.repeat),
        ]
        return subprocess.run(command, check=False).returncode
    seed = random.randrange(1, 2**31) if arguments.seed is None else arguments.seed
    seconds = arguments.minutes * 60 / len(names)
    print(f"seed {seed}, {seconds:.0f} s for each of {len(names)} targets", flush=True)
    print(
        f"{'target':14} {'inputs':>10} {'checked':>10} {'edges':>7} {'corpus':>7} {'failures':>9}", flush=True
    )
    failures = []
    for name in names:
        counts = fuzz_target(name, seconds, seed)
        files = crash_files(name)
        failures += files
        print(
            f"{name:14} {counts.executed:10} {counts.checked:10} {counts.edges:7} {counts.corpus:7} {len(files):9}",
            flush=True,
        )
        if not counts.executed:
            print(f"  did not run; see {_FOLDER / name / 'log.txt'}")
            failures.append(_FOLDER / name / "log.txt")
    for path in failures:
        print(f"failed: {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
