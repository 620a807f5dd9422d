"""What a command returns, and what it reports to while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.commands.parallel import ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torchpin.checks.registry import Result
    from torchpin.image.build_log import BuildStarted, Event
    from torchpin.model import Outcome, StatusCallback

    EventCallback = Callable[[BuildStarted | Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandReport:
    """Outcomes and results of checks, with the exit code that follows from them.

    `tabulated`: several outcomes are shown in a table as well. `results`: None where no check was run. `notices`:
    sentences that belong to no check. `summary`: the last line; results have one without it, too.
    """

    outcomes: tuple[Outcome, ...] = ()
    tabulated: bool = False
    results: tuple[Result, ...] | None = None
    notices: tuple[str, ...] = ()
    summary: str = ""
    exit_code: int = 0


def report_outcomes(outcomes: Iterable[Outcome], *, tabulated: bool = False) -> CommandReport:
    """Outcomes, with the worst of their exit codes."""
    rows = tuple(outcomes)
    exit_code = max((row.code for row in rows), default=0)
    return CommandReport(outcomes=rows, tabulated=tabulated, exit_code=exit_code)


def _no_progress() -> AbstractContextManager[EventCallback]:
    return nullcontext(ignore)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    """Where a running command reports to; nowhere by default.

    `status`: a line about the next step; progress too, where it is a `progress.StepStatus`. `detail`: a line for those who
    want all. `notice`: a line that is not part of the output. `report`: a stage that has ended. `progress`: follows the
    events of builds while it is entered.
    """

    status: StatusCallback = ignore
    detail: StatusCallback = ignore
    notice: StatusCallback = ignore
    report: Callable[[CommandReport], object] = ignore
    progress: Callable[[], AbstractContextManager[EventCallback]] = _no_progress
