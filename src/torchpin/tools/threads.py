"""Threads for work that waits for servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def thread_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads; after a failure or an interrupt, what has not begun is not begun any more, and the exception goes on."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        except BaseException:  # raised again
            pool.shutdown(wait=False, cancel_futures=True)
            raise
