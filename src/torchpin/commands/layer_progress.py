"""The making of layers from wheels as progress: the bytes that are fetched, and the layers that are made."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from threading import Lock as Mutex
from typing import TYPE_CHECKING

from torchpin.progress import BYTES, amount, step
from torchpin.quantities import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.assembly.layer import LayerPlan
    from torchpin.model import StatusCallback
    from torchpin.progress import Step
    from torchpin.tools.layer_store import LayerStore, Progress, Wheels


@contextmanager
def layer_progress(
    show_status: StatusCallback, name: str, plans: Sequence[LayerPlan], store: LayerStore, wheels: Wheels
) -> Iterator[Progress]:
    """The progress of `make_layers`; no step is shown where all wheels or all layers are there already."""
    missing = [plan for plan in plans if store.read(plan) is None]
    absent = {wheel for plan in missing for wheel in plan.wheels if not wheels.store.has(wheel)}
    with ExitStack() as steps:
        fetching = making = None
        if absent:
            total = sum(wheel.size or 0 for wheel in absent)
            fetching = steps.enter_context(
                step(show_status, f"{name}: fetching wheels", total=total, unit=BYTES)
            )
            fetching.result = f"{count(len(absent), 'wheel')}, {amount(total, 0, BYTES)}"
        if missing:
            making = steps.enter_context(
                step(show_status, f"{name}: making layers", total=len(missing), unit="layers")
            )
            making.result = count(len(missing), "layer")
        yield _LayerProgress(fetching, making)


class _LayerProgress:
    """Adds up what several threads report."""

    def __init__(self, fetching: Step | None, making: Step | None) -> None:
        self._fetching, self._making, self._mutex = fetching, making, Mutex()
        self._fetched: dict[str, int] = {}
        self._made: set[str] = set()

    def __call__(self, action: str, name: str, done: int, total: int, /) -> None:
        with self._mutex:
            if action == "fetch" and self._fetching:
                self._fetched[name] = done
                self._fetching.advance(sum(self._fetched.values()), note=name)
            elif action == "make" and self._making:
                if total and done >= total:
                    self._made.add(name)
                self._making.advance(len(self._made), note=f"{name}, {amount(done, total, BYTES)}")
