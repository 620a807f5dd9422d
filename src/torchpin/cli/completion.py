"""Completions at the cursor of a command line: tasks, options, and values that the repository and the facts know."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from torchpin.cli.suggestions import DRY_OPTIONS
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from invoke import Argument, Collection
    from invoke.parser.context import ParserContext

    Values = Callable[["TypedLine", str], Iterable[str]]

SHELLS = ("bash", "zsh", "fish")


@dataclass(slots=True)
class TypedLine:
    """A command line up to the cursor.

    `task`: the last one, "" before the first; `values`: the values of each of its arguments, by its name; `argument`: the one
    whose value comes next, None after an option without a value.
    """

    context: ParserContext
    task: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    argument: Argument | None = None

    def value(self, name: str) -> str:
        """The last value of an argument, "" if it has none."""
        return self.values.get(name, [""])[-1]

    def add(self, argument: Argument, value: str) -> None:
        self.values.setdefault(str(argument.name), []).append(value)


def completion_script(shell: str, program: str) -> str:
    """The script that makes a shell complete a program's command lines. Raises InputError for another shell."""
    if shell not in SHELLS:
        raise InputError(
            f"no completion for {shell!r}; the shells are {', '.join(SHELLS[:-1])} and {SHELLS[-1]}"
        )
    script = resources.files("torchpin") / "resources" / "completion" / shell
    return script.read_text(encoding="utf-8").replace("PROGRAM", program)


def complete(
    arguments: Sequence[str], tasks: Collection, core: ParserContext, values: Values
) -> dict[str, str]:
    """What may replace the last of `arguments`, which follow the program's name, each with its description ("" for values).

    `values` are those that are known for an argument, by its name. Without an answer the shell offers files.
    """
    *before, current = arguments or ("",)
    parsed = parse_line(before, tasks, core)
    option, sign, _ = current.partition("=")
    flag = _flag(parsed.context, option) if sign else None
    if flag is not None:
        return _starting_with(current, {f"{option}={value}": "" for value in values(parsed, str(flag.name))})
    if parsed.argument is None and current.startswith("-"):
        return _starting_with(current, _options(parsed, core))
    argument = parsed.argument or _next_positional(parsed)
    if argument is not None:
        return _starting_with(current, dict.fromkeys(values(parsed, str(argument.name)), ""))
    return _starting_with(current, _options(parsed, core) if parsed.task else _titles(tasks))


def parse_line(arguments: Iterable[str], tasks: Collection, core: ParserContext) -> TypedLine:
    """Reads complete words as the program would; words that it would refuse are ignored."""
    contexts = {str(context.name): context for context in tasks.to_contexts()}
    parsed = TypedLine(core)
    for word in arguments:
        option, sign, value = word.partition("=")
        flag = _flag(parsed.context, option) or _flag(core, option)
        positional = _next_positional(parsed)
        if parsed.argument is not None:
            parsed.add(parsed.argument, word)
            parsed.argument = None
        elif flag is not None and sign:
            parsed.add(flag, value)
        elif flag is not None:
            parsed.argument = flag if flag.takes_value and not flag.optional else None
        elif positional is not None and not word.startswith("-"):
            parsed.add(positional, word)
        elif word in contexts:
            parsed = TypedLine(contexts[word], word)
    return parsed


def _flag(context: ParserContext, option: str) -> Argument | None:
    return context.flags[option] if option in context.flags else None  # noqa: SIM401 - `get` knows no short ones


def _next_positional(parsed: TypedLine) -> Argument | None:
    """The first positional argument without a value; the last one, where it takes several."""
    arguments = parsed.context.positional_args
    missing = (argument for argument in arguments if argument.name not in parsed.values)
    return next(missing, arguments[-1] if arguments and arguments[-1].kind is list else None)


def _options(parsed: TypedLine, core: ParserContext) -> dict[str, str]:
    """The options of a task, or of the program before the first; without those that have their only value."""
    flags = parsed.context.flags if parsed.task else core.flags
    return {
        name: argument.help or ""
        for name, argument in flags.items()
        if name.startswith("--")
        and name not in DRY_OPTIONS
        and (argument.name not in parsed.values or argument.kind is list)
    }


def _titles(tasks: Collection) -> dict[str, str]:
    """The tasks, each with the first line of its help."""
    return {name: (tasks[name].__doc__ or "").strip().partition("\n")[0] for name in sorted(tasks.task_names)}


def _starting_with(current: str, arguments: Mapping[str, str]) -> dict[str, str]:
    return {word: text for word, text in arguments.items() if word.lower().startswith(current.lower())}
