"""Operations on several environments at a time, and the callback for status lines."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.errors import TorchpinError
from torchpin.model import Outcome
from torchpin.tools import process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.model import Environment


def ignore(_: object) -> None:
    """The callback that drops its argument."""


def for_each_environment(
    environments: Sequence[Environment], operation: Callable[[Environment], Outcome], *, workers: int = 4
) -> tuple[Outcome, ...]:
    """The outcome of every environment, in their order; one that raises TorchpinError fails and does not stop the others."""

    def guarded(env: Environment) -> Outcome:
        start = time.monotonic()
        try:
            outcome = operation(env)
        except TorchpinError as error:
            outcome = Outcome(name=env.name, status="failed", detail=str(error), code=error.exit_code)
        return replace(outcome, seconds=time.monotonic() - start)

    if min(workers, len(environments)) == 1:  # in the main thread, which alone receives KeyboardInterrupt
        return tuple(map(guarded, environments))
    with ThreadPoolExecutor(workers) as pool:
        try:
            return tuple(pool.map(guarded, environments))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            process.terminate_all()
            raise
