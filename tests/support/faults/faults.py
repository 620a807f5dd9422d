"""The faults: a signal at a moment, a full disk, permission taken away."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

from support.faults.privileges import (
    bound_command,
    enlarge,
    free_bytes,
    immutable,
    small_file_system,
    write_protected,
)
from support.faults.trial import FaultFound, Trial
from torchpin.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.faults.trial import Prepared
    from support.forks import StartedCommand

PAGE = 4096
MOST_ROOM_BITS = 12  # of pages: 16 MiB, more than any of the commands writes
ROOM = 256 * 1024 * 1024  # bytes of a file system that is not full
WRITING_SECONDS = 0.05  # how long around its first write a command is stopped
SIGNALS = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT, "hangup": signal.SIGHUP}


def fraction(seed: int, number: int) -> float:
    """The moments of a case: from 0 to 1, each far from those before (the golden ratio's sequence)."""
    return (random.Random(seed).random() + number * 0.6180339887498949) % 1.0


def wait_for_moment(trial: Trial, process: StartedCommand, seed: int, number: int) -> None:
    """A moment within the command's duration; for every second number one right after it begins to write."""
    part = fraction(seed, number // 2)
    if number % 2 == 0:
        time.sleep(trial.prepared.seconds * 1.05 * part)
        return
    watched = trial.prepared.case.watched
    deadline = time.monotonic() + trial.prepared.seconds * 3
    while process.poll() is None and time.monotonic() < deadline:
        if any(trial.root.glob(watched)) or any(trial.temporary.glob(watched)):
            time.sleep(part * _writing_seconds(trial))
            return
        time.sleep(0.0002)


def _writing_seconds(trial: Trial) -> float:
    # an environment, a clone or a lab takes most of its command; a transaction is short
    is_short = trial.prepared.case.watched.startswith(".torchpin")
    return WRITING_SECONDS if is_short else trial.prepared.seconds / 2


def kill(trial: Trial, seed: int, number: int) -> str:
    """SIGKILL: what it leaves is recovered, and the next run completes it."""
    process = trial.start()
    wait_for_moment(trial, process, seed, number)
    process.kill()
    process.wait()
    trial.require_no_process(process.pid)
    trial.recover()
    state = trial.require_before_or_after()
    trial.require_temporary_files(abandoned=True)
    trial.require_next_run(state)
    return state


def kill_twice(trial: Trial, seed: int, number: int) -> str:
    """SIGKILL, and the next run, which recovers, is killed as well."""
    for offset in (0, 1):
        process = trial.start()
        wait_for_moment(trial, process, seed, number + offset)
        process.kill()
        process.wait()
        trial.require_no_process(process.pid)
    trial.recover()
    state = trial.require_before_or_after()
    trial.require_temporary_files(abandoned=True)
    trial.require_next_run(state)
    return state


def stop(trial: Trial, seed: int, number: int, name: str) -> str:
    """A signal that can be caught: nothing is left, not even for the next command."""
    process = trial.start()
    wait_for_moment(trial, process, seed, number)
    process.send_signal(SIGNALS[name])
    code = process.wait()
    trial.require_no_process(process.pid)
    if code not in {0, INTERRUPTED, -SIGNALS[name]}:
        raise FaultFound(f"it ended with exit code {code}: {trial.output[-800:]}")
    if code == INTERRUPTED and "Traceback" in trial.output:
        raise FaultFound(f"it printed a traceback: {trial.output[-800:]}")
    # without a handler yet, or when it was done, there is nothing to clear up
    state = trial.require_before_or_after()
    trial.require_temporary_files(abandoned=False)
    trial.require_next_run(state)
    return state


def fill_disk(trial: Trial, seed: int, number: int, *, repository: bool) -> str:
    """A file system with little room, a level for each number, below the repository or the temporary files."""
    part = fraction(seed, number)
    folder = trial.root if repository else trial.temporary
    trial.folder.mkdir(parents=True)
    with small_file_system(folder, ROOM):
        trial.set_up()
        used = ROOM - free_bytes(folder)
        level = int(2 ** (part * MOST_ROOM_BITS) - 1) * PAGE  # half of them below 64 pages
        enlarge(folder, max(used + level, PAGE))  # a size of 0 would be no limit
        code = trial.run()
        trial.require_message(code)
        state = trial.require_before_or_after()
        if code == 0 and state == "before" and trial.prepared.before != trial.prepared.after:
            raise FaultFound("it reports success and has written nothing")
        trial.require_temporary_files(abandoned=False)
        enlarge(folder, ROOM)
        trial.require_next_run(state)
    return state


def protected_places(prepared: Prepared) -> list[str]:
    """The files that a command changes or removes, and the folders in which it does; "" is the root."""
    before, after = prepared.before, prepared.after
    changed = [name for name in {*before, *after} if before.get(name) != after.get(name)]
    files = {name for name in changed if name in before}
    folders = {name.rpartition("/")[0] for name in changed}
    while missing := {folder for folder in folders if folder and folder not in before}:
        folders = (folders - missing) | {folder.rpartition("/")[0] for folder in missing}
    return [".torchpin", *sorted(files | folders)]


def deny(trial: Trial, seed: int, number: int, *, flag: bool) -> str:
    """A file or folder that the command may not write, by its mode or, with `flag`, by an attribute that binds root."""
    trial.set_up()
    prefix = () if flag else bound_command()
    # an immutable file of a clone cannot go, so that a clone that was replaced would stay under its other name
    places = [
        place
        for place in protected_places(trial.prepared)
        if not (flag and place.startswith(("third_party/", ".venvs/")))
    ]
    place: Path = trial.root / random.Random(seed * 7919 + number).choice(places)
    with (immutable if flag else write_protected)(place):
        code = trial.run(*prefix)
    trial.require_message(code)
    trial.recover()
    try:
        state = trial.require_before_or_after()
    except FaultFound as error:
        raise FaultFound(f"{place.relative_to(trial.root)} was denied: {error}") from None
    trial.require_temporary_files(abandoned=False)
    trial.require_next_run(state)
    return state


def _set_up_and(act: Callable[[Trial, int, int], str]) -> Callable[[Trial, int, int], str]:
    def run(trial: Trial, seed: int, number: int) -> str:
        trial.set_up()
        return act(trial, seed, number)

    return run


CORE_FAULTS = (
    "kill",
    "terminate",
    "disk-full",
    "denied",
)  # the first, and tried however little time there is
FAULTS: dict[str, Callable[[Trial, int, int], str]] = {
    "kill": _set_up_and(kill),
    "terminate": _set_up_and(lambda trial, seed, number: stop(trial, seed, number, "terminate")),
    "disk-full": lambda trial, seed, number: fill_disk(trial, seed, number, repository=True),
    "denied": lambda trial, seed, number: deny(trial, seed, number, flag=False),
    "interrupt": _set_up_and(lambda trial, seed, number: stop(trial, seed, number, "interrupt")),
    "kill-twice": _set_up_and(kill_twice),
    "hangup": _set_up_and(lambda trial, seed, number: stop(trial, seed, number, "hangup")),
    "temporary-full": lambda trial, seed, number: fill_disk(trial, seed, number, repository=False),
    "immutable": lambda trial, seed, number: deny(trial, seed, number, flag=True),
}
