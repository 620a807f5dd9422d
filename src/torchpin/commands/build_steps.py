"""The events of a build as progress: one step for the image, and one for each of its layers and other instructions."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torchpin.image.build_log import step_title
from torchpin.progress import BYTES, Step, StepEnded, StepStarted, amount, show_of, step
from torchpin.quantities import count
from torchpin.tools.uv_progress import InstalledPackages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torchpin.image.build_log import Event
    from torchpin.model import StatusCallback


@contextmanager
def build_steps(
    show_status: StatusCallback,
    name: str,
    sizes: Mapping[str, int] | None = None,
    packages: Mapping[str, int] | None = None,
) -> Iterator[Callable[[Event], None]]:
    """A function that shows each event of the build of an image as progress.

    `sizes`: the bytes that layers install, by their titles; `packages`: those of each package's file.
    """
    with step(show_status, f"{name}: image", unit="steps", is_part=True) as building:
        shown = _BuildSteps(show_status, name, building, sizes or {}, packages or {})
        try:
            yield shown.take
        finally:
            shown.stop()
        building.result = shown.summary()


class _Row:
    """A running step of a build."""

    def __init__(self, row: Step, packages: Mapping[str, int]) -> None:
        self.step, self.size, self.start = row, row.total, time.monotonic()
        self.installed = InstalledPackages(row, packages)


class _BuildSteps:
    """The running steps of one build, by their numbers in its log."""

    def __init__(
        self,
        show_status: StatusCallback,
        name: str,
        building: Step,
        sizes: Mapping[str, int],
        packages: Mapping[str, int],
    ) -> None:
        self._show, self._name, self._building = show_of(show_status), name, building
        self._sizes, self._packages = sizes, packages
        self._planned, self._cached = 0, set[int]()
        self._ended: set[int] = set()
        self._rows: dict[int, _Row] = {}

    def take(self, event: Event) -> None:
        if event.kind == "planned":
            self._planned += 1
        elif event.kind == "started":
            self._begin(event)
        elif event.kind == "output":
            self._output(event)
        else:
            self._end(event)
        total = max(self._planned, len(self._ended)) if self._planned else 0  # a plain log has no plan
        cached = f"{len(self._cached)} from the cache" if self._cached else ""
        self._building.advance(len(self._ended), total=total, note=cached)

    def summary(self) -> str:
        cached = f", {len(self._cached)} of them from the cache" if self._cached else ""
        return f"{count(len(self._ended), 'step')}{cached}"

    def stop(self) -> None:
        """End what still runs: something else failed, or the build was interrupted."""
        rows, self._rows = self._rows, {}
        for row in rows.values():
            self._show(StepEnded(key=row.step, outcome="stopped"))

    def _begin(self, event: Event) -> None:
        title = step_title(event.text)
        self._ended.discard(event.step)
        if not title or event.step in self._rows:  # BuildKit's own
            return
        size = self._sizes.get(title, 0)
        row = self._rows[event.step] = _Row(Step(self._show, size), self._packages)
        started = StepStarted(
            key=row.step, title=f"{self._name}: {title}", total=size, unit=BYTES, is_part=True
        )
        self._show(started)

    def _output(self, event: Event) -> None:
        row = self._rows.get(event.step)
        if row is None:
            return
        if event.done or event.total:
            row.step.advance(event.done, total=event.total, note=event.text)
        elif not row.installed.read(event.text):
            row.step.advance(note=event.bytes or event.text.strip())

    def _end(self, event: Event) -> None:
        if event.kind != "failed":
            self._ended.add(event.step)
        if event.kind == "cached":
            self._cached.add(event.step)
        row = self._rows.pop(event.step, None)
        if row is None:
            return
        # BuildKit reports no duration for failed steps
        seconds = time.monotonic() - row.start if event.kind == "failed" else event.seconds or 0.0
        canceled = event.text.startswith("CANCELED")
        self._show(
            StepEnded(
                key=row.step,
                outcome="stopped" if canceled else "failed" if event.kind == "failed" else "done",
                seconds=seconds,
                result=(amount(row.size, 0, BYTES) or "done") if event.kind == "done" else "",
            )
        )
