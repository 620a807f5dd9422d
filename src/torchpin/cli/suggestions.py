"""What a command line that cannot be parsed should have been."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.cli.command_line import UnknownOptionError
from torchpin.output.program import INVOKE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from invoke import ParseError
    from invoke.parser.context import ParserContext

# invoke 3.0.3 raises one class for all, and says in the message alone what is wrong.
_UNKNOWN = re.compile(r"No idea what (?P<quote>['\"])(?P<word>.*)(?P=quote) is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <\w+: (?P<option>[\w-]+).*> needed value")
# invoke's own, which has no meaning for tasks that run no command of invoke: they have --dry-run.
DRY_OPTIONS = ("-R", "--dry")
_MISSING = "did not receive required positional arguments"


def describe_parse_error(
    error: ParseError, *, program: str, tasks: Mapping[str, ParserContext], core: ParserContext
) -> str:
    """One line: what is wrong, and the nearest names where there are any."""
    if isinstance(error, UnknownOptionError):
        if error.option in DRY_OPTIONS:
            return refuse_dry(error.option, tasks)
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
    if context.name:
        further = (f"--service {word}",) if "--service" in context.flags else ()
        near = _near(word, tasks, further)
        return f"`{caller}` takes no argument `{word}`{_or_help(near, caller)}"
    kind = "task" if caller == INVOKE else "command"
    return f"no {kind} `{word}`{_near(word, tasks) or f'; `{caller} --list` shows all'}"


def refuse_dry(option: str, tasks: Mapping[str, ParserContext]) -> str:
    """The message about invoke's `--dry`, with the tasks that have `--dry-run`."""
    *names, last = sorted(name for name, context in tasks.items() if "--dry-run" in context.flags)
    return (
        f"`{option}` is not an option of torchpin; use `--dry-run`, which {', '.join(names)} and {last} have"
    )


def _unknown_option(caller: str, option: str, context: ParserContext, core: ParserContext) -> str:
    if option in core.flags:  # where a positional argument is missing
        return f"`{option}` is a global option; put it before the task"
    flags = dict.fromkeys((*context.flags, *context.inverse_flags))
    if not context.name:
        flags.pop("--dry")
    near = _near(option, [flag for flag in flags if flag.startswith("--")])
    return f"`{caller}` has no option `{option}`{_or_help(near, caller)}"


def _or_help(near: str, caller: str) -> str:
    return near or f"; `{caller} --help` shows all"


def _near(word: str, names: Iterable[str], further: Iterable[str] = ()) -> str:
    from difflib import get_close_matches

    matches = [*get_close_matches(word, list(names)), *further]
    return f" (did you mean {', '.join(matches)}?)" if matches else ""
