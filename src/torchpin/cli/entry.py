"""Where the two programs begin: streams, interrupts and variables are settled before anything else is imported."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from torchpin.cli.interrupts import handle_interrupts
from torchpin.output.program import INVOKE
from torchpin.output.streams import guard_streams
from torchpin.tools.git_variables import settle_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Collection, Task


# New objects between two searches for cycles, by default 700: imports and parsing make many, of which hardly one is garbage.
OBJECTS = 100_000


def main() -> None:
    """The `torchpin` command."""
    gc.set_threshold(OBJECTS)
    handle_interrupts()
    guard_streams()
    settle_variables()
    from torchpin.cli.main import main as run_torchpin

    run_torchpin()


def invoke_tasks(argv: Sequence[str], *repository_tasks: Task[Any]) -> Collection:
    """The tasks for a repository's tasks.py, with its own ones, which win by their names.

    Raises Exit for help, once it is printed, and for what cannot be parsed.
    """
    called = is_invoke(argv[0])
    if called:
        gc.set_threshold(OBJECTS)
        handle_interrupts()
        guard_streams()
    settle_variables()
    from torchpin.cli.main import namespace
    from torchpin.cli.program import check_invoke, combined

    tasks = combined(namespace, repository_tasks) if repository_tasks else namespace
    if called:
        check_invoke(tasks, argv)
    return tasks


def is_invoke(executable: str) -> bool:
    """Whether sys.argv[0] is `invoke`, `inv` or `python -m invoke`; a test or a type checker imports tasks.py as well."""
    from pathlib import Path

    path = Path(executable)
    return path.stem in {INVOKE, "inv"} or (path.name == "__main__.py" and path.parent.name == INVOKE)
