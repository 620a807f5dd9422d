"""A fuzz target, and the bounds on time and memory that each of its inputs is checked within."""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import example, given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy

# CPU time of an input, which other processes do not change; inputs have some thousand characters and take milliseconds.
CPU_SECONDS = 5.0
MEMORY_BYTES = 400_000_000  # that an input may add to the largest size of the process so far
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class _OutOfTime(BaseException):
    """Not an Exception: what is checked may handle those."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is fuzzed: the inputs of `strategy` go to `check`, which raises for an input that is not handled as promised.

    `examples` are inputs that were not once: they are checked first, in every run of the unit tests.
    """

    name: str
    strategy: SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: tuple[Any, ...] = ()


@contextmanager
def bounded(cpu_seconds: float = CPU_SECONDS, memory_bytes: int | None = MEMORY_BYTES) -> Iterator[None]:
    """Raises AssertionError when what is done inside takes longer, or more memory. For the main thread alone.

    Memory is not measured with None.
    """

    def expire(*_: object) -> None:
        raise _OutOfTime

    largest_size = _largest_size() if memory_bytes is not None else 0
    previous = signal.signal(signal.SIGVTALRM, expire)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
    try:
        yield
    except _OutOfTime as error:
        raise AssertionError(f"took more than {cpu_seconds} s of CPU time") from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    if memory_bytes is not None:
        growth = _largest_size() - largest_size
        assert growth <= memory_bytes, f"took {growth} bytes of memory"


def _largest_size() -> int:
    """The largest size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def property_test(target: Target, *, observe: Callable[[Any], None] | None = None) -> Any:
    """The hypothesis test of a target, its examples first. `observe` is called with each input before it is checked.

    The fuzzer observes, and has a bound on memory of its own: measuring it takes longer than most checks.
    Both the unit tests and the fuzzer run it: atheris by `property_test(target).hypothesis.fuzz_one_input`.
    """

    def check_input(value: Any) -> None:
        if observe:
            observe(value)
        with bounded(memory_bytes=None if observe else MEMORY_BYTES):
            target.check(value)

    test = given(value=target.strategy)(check_input)
    for value in target.examples:
        test = example(value=value)(test)
    return test
