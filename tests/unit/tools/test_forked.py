"""Shared work: the same results as without processes, whatever becomes of them, and no process that is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from torchpin.tools import forked
from torchpin.tools.forked import LEAST_SHARE, share_out

if TYPE_CHECKING:
    from collections.abc import Sequence

PARENT = os.getpid()


@pytest.fixture(autouse=True)
def three_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_process_count", lambda values: min(values, 3))
    monkeypatch.setattr(forked, "_FIRST", 1)


def squares(values: Sequence[int]) -> dict[int, tuple[int, int]]:
    return {value: (value * value, os.getpid()) for value in values}


def merged(shares: Sequence[dict[int, tuple[int, int]]]) -> dict[int, int]:
    return {value: square for share in shares for value, (square, _) in share.items()}


def no_child_is_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def test_every_value_is_worked_on_once_in_processes() -> None:
    shares = share_out(squares, range(10))
    assert merged(shares) == {value: value * value for value in range(10)}
    processes = {process for share in shares for _, process in share.values()}
    assert len(processes) == len(shares) == 4
    assert {process for _, process in shares[0].values()} == {os.getpid()}  # the first value, for all of them
    assert no_child_is_left()


def test_a_result_may_be_larger_than_a_pipe() -> None:
    assert share_out(lambda share: "x" * 3_000_000 * len(share), range(4)) == ["x" * 3_000_000] * 4


def test_few_values_are_worked_on_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(8)}, raising=False)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(sys, "platform", "linux")
    assert [forked._process_count(number * LEAST_SHARE) for number in (0, 1, 2, 5, 1000)] == [0, 1, 2, 5, 8]
    monkeypatch.setattr(threading, "active_count", lambda: 2)  # which a fork would not have
    assert forked._process_count(1000) == 1
    assert share_out(squares, [2]) == [{2: (4, os.getpid())}]


def test_an_exception_is_raised_as_without_processes() -> None:
    def refuse(values: Sequence[int]) -> int:
        if 4 in values:
            message = f"4 is refused in {os.getpid() == PARENT}"
            raise ValueError(message)
        return len(values)

    with pytest.raises(ValueError, match="4 is refused in True"):
        share_out(refuse, range(10))
    assert no_child_is_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_process_was_to_do_is_done_here(number: signal.Signals) -> None:
    parent = os.getpid()

    def die(values: Sequence[int]) -> dict[int, tuple[int, int]]:
        if 2 in values and os.getpid() != parent:
            os.kill(os.getpid(), number)
        return squares(values)

    assert merged(share_out(die, range(7))) == {value: value * value for value in range(7)}
    assert no_child_is_left()


def test_an_interrupt_leaves_no_process() -> None:
    def wait(values: Sequence[int]) -> int:
        time.sleep(0 if 0 in values else 60)
        return len(values)

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            share_out(wait, range(6))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - start < 30
    assert no_child_is_left()


def test_a_process_does_not_print_what_its_parent_has_buffered(capfd: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("once")
    share_out(squares, range(6))
    sys.stdout.flush()
    assert capfd.readouterr().out == "once"
