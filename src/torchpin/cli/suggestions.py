"""What a command line that cannot be parsed should have been."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.cli.command_line import UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from invoke import ParseError
    from invoke.parser.context import ParserContext

# invoke 3.0.3 raises one class for all, and says in the message alone what is wrong.
_UNKNOWN = re.compile(r"No idea what (?P<quote>['\"])(?P<word>.*)(?P=quote) is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <\w+: (?P<option>[\w-]+).*> needed value")
_MISSING = "did not receive required positional arguments"


def describe_parse_error(
    error: ParseError, *, program: str, tasks: Mapping[str, ParserContext], core: ParserContext
) -> str:
    """One line: what is wrong, and the nearest names where there are any."""
    if isinstance(error, UnknownOptionError):
        return _unknown_option(f"{program} {error.task_name}", error.option, tasks[error.task_name], core)
    context = error.context or core
    caller = f"{program} {context.name}" if context.name else program
    unknown, no_value = _UNKNOWN.search(str(error)), _NO_VALUE.search(str(error))
    if unknown:
        return _unknown_word(caller, unknown["word"], context, tasks, core)
    if no_value:
        return f"`{caller} --{no_value['option']}` needs a value"
    if _MISSING in str(error):
        names = " and ".join(str(argument.name).upper() for argument in context.missing_positional_args)
        return f"`{caller}` needs {names}; `{caller} --help` shows the usage"
    return str(error)


def _unknown_word(
    caller: str,
    word: str,
    context: ParserContext,
    tasks: Mapping[str, ParserContext],
    core: ParserContext,
) -> str:
    if word.startswith("-"):
        return _unknown_option(caller, word, context, core)
    near = _near(word, tasks)
    if context.name:
        return f"`{caller}` takes no argument `{word}`{_or_help(near, caller)}"
    return f"no task `{word}`{near or f'; `{caller} --list` shows all'}"


def _unknown_option(caller: str, option: str, context: ParserContext, core: ParserContext) -> str:
    if option in core.flags:  # where a positional argument is missing
        return f"`{option}` is a global option; put it before the task"
    flags = dict.fromkeys((*context.flags, *context.inverse_flags, *core.flags))
    near = _near(option, [flag for flag in flags if flag.startswith("--")])
    return f"`{caller}` has no option `{option}`{_or_help(near, caller)}"


def _or_help(near: str, caller: str) -> str:
    return near or f"; `{caller} --help` shows all"


def _near(word: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    matches = get_close_matches(word, list(names))
    return f" (did you mean {', '.join(matches)}?)" if matches else ""
