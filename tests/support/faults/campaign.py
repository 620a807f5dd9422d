"""Faults on every command for so long, counted: `nox -s faults`, and bounded in the tests.

A trial follows from the seed, its case, its fault and its number, so that it can be repeated; only the machine's speed
moves the moments.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.faults.cases import CASES, prepare_ready
from support.faults.faults import CORE_FAULTS, FAULTS
from support.faults.privileges import NotPossible
from support.faults.trial import FaultFound, Prepared, Trial, prepare_case
from support.faults.world import World, open_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.faults.cases import Case

Row = tuple[str, str]  # case and fault


@dataclass(frozen=True, kw_only=True)
class Options:
    """`seconds`: when no further trial begins, once each core fault was tried `least` times on each case.

    `most_problems`: with so many no further trial begins either.
    """

    seconds: float
    seed: int = 1
    least: int = 1
    most_problems: int = 1
    first: int = 0
    cases: tuple[Case, ...] = CASES
    faults: tuple[str, ...] = tuple(FAULTS)
    required: tuple[str, ...] = CORE_FAULTS
    workers: int = 2


@dataclass(kw_only=True)
class Counts:
    """How the trials ended, by case and fault; the faults that this machine cannot have, with the reason.

    `show` gets each problem when it is noticed.
    """

    show: Callable[[str], object]

    endings: dict[Row, Counter[str]] = field(default_factory=dict)
    impossible: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, row: Row, ending: str) -> None:
        with self.lock:
            self.endings.setdefault(row, Counter())[ending] += 1

    def add_problem(self, problem: str) -> None:
        with self.lock:
            self.problems.append(problem)
        self.show(f"problem: {problem}")

    def number_of(self, row: Row) -> int:
        return self.endings.get(row, Counter()).total()

    def lines(self) -> Iterator[str]:
        """A line for each case and fault, and one for all."""
        for (case, fault), endings in sorted(self.endings.items()):
            ended = ", ".join(f"{endings[name]} ended {name}" for name in sorted(endings))
            yield f"{case:12} {fault:14} {endings.total():4} trials: {ended}"
        for fault, reason in sorted(self.impossible.items()):
            yield f"not possible here: {fault}: {reason}"
        total = sum(self.endings.values(), Counter[str]())
        ended = ", ".join(f"{total[name]} ended {name}" for name in sorted(total))
        yield f"{total.total()} trials in all: {ended}; {len(self.problems)} problems"


def run_campaign(options: Options, show: Callable[[str], object]) -> Counts:
    """Try faults until the time is over, or too many problems were found."""
    counts = Counts(show=show)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name).resolve()
        with open_world(folder) as world:
            prepared = prepare_cases(world, options.cases, options.workers)
            show(
                f"{len(prepared)} commands: "
                + ", ".join(f"{item.case.name} {item.seconds:.1f} s" for item in prepared)
            )
            _run_trials(prepared, options, folder / "trials", counts)
        home = [path.name for path in (folder / "home").iterdir()]
        if home:
            counts.add_problem(f"in the home folder are left: {', '.join(home)}")
    return counts


def prepare_cases(world: World, cases: Sequence[Case], workers: int) -> list[Prepared]:
    """Every case with its states."""
    ready = prepare_ready(world)

    def prepare(case: Case) -> Prepared:
        start = world.folder / "starts" / case.name
        shutil.copytree(ready, start, symlinks=True)
        case.prepare(world, start)
        return prepare_case(case, world.environ, start, world.folder / "whole", world.forks)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(prepare, cases))


def _plan_trials(
    prepared: Sequence[Prepared], options: Options, counts: Counts
) -> Iterator[tuple[Prepared, str, int]]:
    """The trials one after the other, each fault on each case before any is tried again."""
    begin = time.monotonic()
    for number in itertools.count(options.first):
        for fault in options.faults:
            for item in prepared:
                is_over = time.monotonic() - begin > options.seconds
                is_required = fault in options.required and number - options.first < options.least
                if len(counts.problems) >= options.most_problems or (is_over and not is_required):
                    return
                if fault not in counts.impossible:
                    yield item, fault, number
        if {*options.faults} <= {*counts.impossible}:
            return


def _run_trials(prepared: Sequence[Prepared], options: Options, folder: Path, counts: Counts) -> None:
    trials = _plan_trials(prepared, options, counts)
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                planned = next(trials, None)
            if planned is None:
                return
            _run_trial(*planned, options.seed, folder, counts)

    with ThreadPoolExecutor(options.workers) as pool:
        for future in [pool.submit(work) for _ in range(options.workers)]:
            future.result()


def _run_trial(prepared: Prepared, fault: str, number: int, seed: int, folder: Path, counts: Counts) -> None:
    if fault in counts.impossible:
        return
    name = f"{prepared.case.name}-{fault}-{number}"
    trial = Trial(prepared=prepared, folder=folder / name)
    try:
        own_seed = zlib.crc32(f"{seed} {prepared.case.name} {fault}".encode())  # so that the moments differ
        counts.add((prepared.case.name, fault), FAULTS[fault](trial, own_seed, number))
    except NotPossible as error:
        counts.impossible[fault] = str(error)
    except FaultFound as error:
        words = ("--only", prepared.case.name, "--fault", fault, "--trial", str(number), "--seed", str(seed))
        counts.add_problem(
            f"{prepared.case.name}, {fault}, trial {number}: {error}\n"
            f"to repeat it: nox -s faults -- {shlex.join(words)}"
        )
    finally:
        shutil.rmtree(trial.folder, ignore_errors=True)


def _parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="nox -s faults --", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("--minutes", type=float, default=20, help="how long trials begin (default: 20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=names, help="this command alone; can be repeated")
    parser.add_argument(
        "--fault", action="append", choices=list(FAULTS), help="this fault alone; can be repeated"
    )
    parser.add_argument("--trial", type=int, help="the number of one trial, to repeat it")
    parser.add_argument("--problems", type=int, default=1, help="stop after so many (default: 1)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    return Options(
        seconds=0 if options.trial is not None else options.minutes * 60,
        seed=options.seed,
        first=options.trial or 0,
        cases=tuple(case for case in CASES if case.name in (options.only or names)),
        faults=tuple(options.fault or FAULTS),
        required=tuple(options.fault or CORE_FAULTS),
        workers=options.workers,
        most_problems=options.problems,
    )


def main() -> int:
    """Print the counts and the first problem; the exit code is 1 with one."""
    counts = run_campaign(_parse(sys.argv[1:]), lambda line: print(line, flush=True))  # noqa: T201 - a program
    print("\n".join([*counts.lines(), *counts.problems[:1]]), flush=True)  # noqa: T201 - a program
    return 1 if counts.problems else 0


if __name__ == "__main__":
    sys.exit(main())
