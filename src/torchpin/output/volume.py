"""How much people are shown: findings and errors alone, what matters, or all evidence; and for which task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from torchpin.errors import COMMAND_PREFIX, VERBOSE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

Volume = Literal["quiet", "normal", "verbose"]
_running: list[tuple[str, Volume]] = [("", "normal")]


@contextmanager
def task_output(name: str, *, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """A context in which all printing belongs to this task. `quiet` wins over `verbose`."""
    _running.append((name, "quiet" if quiet else "verbose" if verbose else "normal"))
    try:
        yield
    finally:
        _running.pop()


def task_name() -> str:
    """The running task, "" outside of one."""
    return _running[-1][0]


def is_quiet() -> bool:
    return _running[-1][1] == "quiet"


def is_verbose() -> bool:
    return _running[-1][1] == "verbose"


def shown_message(text: str) -> str:
    """A message, without the lines that only a verbose task shows."""
    if is_verbose():
        return text
    hidden = (VERBOSE_PREFIX, COMMAND_PREFIX)
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(hidden))
