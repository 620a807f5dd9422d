"""The expected failures, one class and one exit code a kind."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.model import Problem

# 4 is for an unexpected exception; 130 is 128 + SIGINT and 141 is 128 + SIGPIPE, as shells report them.
FINDINGS, INPUT, TOOL, BUG, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 4, 130, 141

# of lines in a message that only `-v` shows: what uv said, where the message says it shorter, and whole commands
VERBOSE_PREFIX, COMMAND_PREFIX = "uv: ", "would run: "

# What is in the way of a file or a folder: the system names it, and not what was to be there.
_IN_THE_WAY = {
    errno.EEXIST: "a folder of this name is needed; move what is there away, then try again",
    errno.ENOTDIR: "a part of this path is not a folder; move that away, then try again",
    errno.EISDIR: "a file of this name is needed; move the folder away, then try again",
    errno.ELOOP: "a link cannot be written through; remove it, then try again",
}


class TorchpinError(Exception):
    """An expected failure: its text is the message for the user, and its exit code that of the command.

    Any other exception is a bug: its traceback is kept in a log.
    """

    exit_code = TOOL


class InputError(TorchpinError):
    """The user's input is wrong: a description, a setting, an option's value or a committed file. Exit code 2.

    It is raised before anything is written. `problems` has every error of the input with its position.

    Example: services/NAME/service.yaml:20:12: torch.version: 'latest' is not a release version.
    """

    exit_code = INPUT

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([*map(str, self.problems), message]))


class NoServiceError(InputError):
    """There is no repository or no service in it yet, so there is nothing that a command could act on."""


class FindingsError(TorchpinError):
    """The repository or an image does not match what the descriptions require. Exit code 1.

    Example: incompatible pins; nothing was started.
    """

    exit_code = FINDINGS


class ToolError(TorchpinError):
    """uv, git, Docker, the network or the machine failed, and the input may be right. Exit code 3.

    Example: `uv lock` failed with exit code 2 (no output).
    """

    exit_code = TOOL


class UnansweredError(TorchpinError):
    """The input ended where a question was asked. Exit code 130, as for an interrupt."""

    exit_code = INTERRUPTED


def os_error_reason(error: OSError, otherwise: str = "this machine") -> str:
    """The file of an error, or `otherwise` where it names none, what is wrong with it, and what to do where that is known."""
    reason = f"{error.filename or otherwise}: {error.strerror or error}"
    advice = _IN_THE_WAY.get(error.errno or 0)
    return f"{reason}; {advice}" if advice and error.filename else reason
