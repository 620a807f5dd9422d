"""The few ways we stop, each with its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.model import Problem

FINDINGS, INPUT, TOOL, INTERRUPTED = 1, 2, 3, 130


class TorchpinError(Exception):
    """An expected end: a sentence for the user and an exit code. Everything else is a bug and keeps its traceback."""

    exit_code = TOOL


class InputError(TorchpinError):
    """What people wrote cannot be used; nothing was written."""

    exit_code = INPUT

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([*map(str, self.problems), message]))


class FindingsError(TorchpinError):
    """Something committed is not what the descriptions say."""

    exit_code = FINDINGS


class ToolError(TorchpinError):
    """uv, git, docker or the machine failed."""

    exit_code = TOOL
