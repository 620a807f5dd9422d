"""Threads that wait for servers: what has not begun when one fails is not begun any more."""

from __future__ import annotations

import threading

import pytest

from torchpin.tools.threads import thread_pool


def test_the_results_are_given() -> None:
    with thread_pool(2) as pool:
        assert list(pool.map(str, range(3))) == ["0", "1", "2"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_nothing_more_begins(error: type[BaseException]) -> None:
    begun: list[int] = []
    is_released = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        is_released.wait(10)

    def fail() -> None:
        with thread_pool(1) as pool:
            for number in range(5):
                pool.submit(work, number)
            threading.Timer(0.05, is_released.set).start()
            raise error

    with pytest.raises(error):
        fail()
    assert len(begun) <= 1
