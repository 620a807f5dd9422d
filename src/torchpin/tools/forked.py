"""Work on many values, shared out over processes that are forked from this one."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING, Any

from torchpin.tools.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    Value = TypeVar("Value")
    Result = TypeVar("Result")

_MOST_PROCESSES = 16
LEAST_SHARE = 25  # values a process, of some ten milliseconds each; a process costs as much as a few of them
_FIRST = 4  # values that are worked on before
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def share_out(work: Callable[[Sequence[Value]], Result], values: Sequence[Value]) -> list[Result]:
    """What `work` makes of shares of the values: of all of them here where they are few, else of each share in a process.

    What it makes must not depend on which values are in a share, and must be picklable; what else it changes is lost. A share
    whose process fails, or is killed, is worked on here, so what is raised is what would be without processes.
    """
    count = _process_count(len(values))
    if count < 2:  # noqa: PLR2004 - one is this process
        return [work(values)]
    # What all of them import and load is so imported and loaded once.
    first, others = work(values[:_FIRST]), values[_FIRST:]
    shares = [others[number::count] for number in range(count)]
    started: list[tuple[int, IO[bytes]]] = []
    try:
        for share in shares:
            started.append(_start(work, share, [pipe for _, pipe in started]))
        contents = [pipe.read() for _, pipe in started]
    except BaseException:  # raised again: an interrupt too leaves no process behind
        for child, _ in started:
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        codes = [_end(child, pipe) for child, pipe in started]
    results = [
        pickle.loads(content) if code == 0 else work(share)  # noqa: S301 - it comes from our own process
        for content, code, share in zip(contents, codes, shares, strict=True)
    ]
    return [first, *results]


def _process_count(values: int) -> int:
    """How many processes work on so many values: 1 where they are few, or where forking is not safe."""
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return 1
    return min(len(os.sched_getaffinity(0)), values // LEAST_SHARE, _MOST_PROCESSES)


def _start(
    work: Callable[[Sequence[Any]], Any], share: Sequence[Any], others: Iterable[IO[bytes]]
) -> tuple[int, IO[bytes]]:
    """A process that works on a share, and the pipe that its result comes through."""
    reading, writing = os.pipe()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        child = os.fork()
        if not child:
            _work_and_exit(work, share, writing, (reading, *(pipe.fileno() for pipe in others)))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def _work_and_exit(
    work: Callable[[Sequence[Any]], Any], share: Sequence[Any], writing: int, unused: Iterable[int]
) -> None:
    """Never returns: nothing of what the parent has begun, such as texts to be printed, is ended here too."""
    code = 1
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for pipe in unused:  # so that a write fails once the parent is gone
            os.close(pipe)
        content = pack(work(share))
        with os.fdopen(writing, "wb") as file:
            file.write(content)
        code = 0
    except BaseException:  # noqa: BLE001, S110 - the parent does it again, and says what is wrong
        pass
    finally:
        os._exit(code)


def _end(child: int, pipe: IO[bytes]) -> int:
    pipe.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
