"""The tasks as `invoke` parses them: help in every place, and short flags with one meaning everywhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from invoke import Argument, Exit, ParseError, Task, task
from invoke.parser.parser import ParseMachine

from torchpin.cli.error_handler import handle_errors
from torchpin.controls import CONTROL
from torchpin.errors import InputError
from torchpin.output.volume import task_output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# None of them is one of invoke's own.
SHORT_FLAGS = {"service": "s", "json": "j", "verbose": "v", "quiet": "q"}
# Options of every task; none of them reaches its function.
OUTPUT_FLAGS = {
    "verbose": "print all evidence, and what is waived, skipped or not applicable too",
    "quiet": "print findings and errors only, and what was asked for",
}


class HelpRequested(Exit):
    """`--help` stands where a positional argument was expected, which invoke would have taken it for."""

    def __init__(self, task_name: str) -> None:
        super().__init__(code=0)
        self.task_name = task_name


class UnknownOptionError(ParseError):
    """An option that a task does not have stands where a positional argument was expected."""

    def __init__(self, task_name: str, option: str) -> None:
        super().__init__(f"`{task_name}` has no option `{option}`")
        self.task_name, self.option = task_name, option


class PositionalArgument(Argument):
    """A positional argument that takes no option for its value. `replaced_by`: flags that may stand in its place.

    One of the kind `list` takes every further word that is neither an option nor a task; one of `any_words` takes the names
    of tasks too, and one of `may_be_missing` may be left out.

    invoke 3.0.3 gives the next word to a positional argument that is missing, whatever it looks like, so `--help` too
    (https://github.com/pyinvoke/invoke/issues/982); this class can go when the parser looks for flags first.
    """

    def __init__(
        self,
        task_name: str,
        *,
        replaced_by: Iterable[Argument] = (),
        any_words: bool = False,
        may_be_missing: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(positional=True, **options)
        self.task_name, self.replaced_by = task_name, tuple(replaced_by)
        self.any_words, self.may_be_missing = any_words, may_be_missing

    @property
    def value(self) -> Any:
        """None while it is missing."""
        is_missing = self._value is None or (self.kind is list and not self._value)
        if is_missing and (self.may_be_missing or any(flag.value for flag in self.replaced_by)):
            return [] if self.kind is list else ""
        return None if is_missing else self._value

    @value.setter
    def value(self, text: str) -> None:
        self.set_value(text)

    def set_value(self, value: Any, cast: bool = True) -> None:
        if value in {"-h", "--help"}:
            raise HelpRequested(self.task_name)
        if value.startswith("-") and value != "-":
            raise UnknownOptionError(self.task_name, value.partition("=")[0])
        if self.kind is list:
            self.raw_value, self._value = value, [*(self._value or ()), value]
        else:
            super().set_value(value, cast=cast)


def _take_further_words() -> None:
    """Makes invoke give a positional list, once it has its first word, the further ones.

    invoke 3.0.3 asks a context only for the positional arguments that are still missing, and its parser cannot be replaced
    from a tasks.py (https://github.com/pyinvoke/invoke/issues/760); this can go when a positional argument may be a list.
    """
    handle = ParseMachine.handle

    def handle_word(self: ParseMachine, token: str) -> None:
        context = self.context
        words = [
            argument
            for argument in (context.positional_args if context else ())
            if isinstance(argument, PositionalArgument) and argument.kind is list
            if argument.value or argument.may_be_missing
        ]
        is_option = token.startswith("-") and len(token) > 1  # `-` alone is standard input
        is_word = words and not is_option and not self.waiting_for_flag_value
        is_task = token in self.contexts and not any(argument.any_words for argument in words)
        if is_word and not is_task and not context.missing_positional_args:
            words[-1].value = token
        else:
            handle(self, token)

    ParseMachine.handle = handle_word  # type: ignore[method-assign]


_take_further_words()


class CommandTask(Task):  # type: ignore[type-arg]
    """A task with the short flags of the table, whose errors end as messages.

    `replaced_by`: by positional parameter, the flags that may stand in its place. `any_words`: positional lists that take the
    names of tasks too; `may_be_missing`: those that may be left out.
    """

    def __init__(
        self,
        body: Any,
        *,
        replaced_by: Mapping[str, tuple[str, ...]] | None = None,
        any_words: Collection[str] = (),
        may_be_missing: Collection[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(body, **{**options, "auto_shortflags": False})
        self.replaced_by = dict(replaced_by or {})
        self.any_words, self.may_be_missing = frozenset(any_words), frozenset(may_be_missing)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        volume = {name: bool(options.pop(name, False)) for name in OUTPUT_FLAGS}
        with task_output(self.name, **volume), handle_errors():
            _require_plain_text(options)
            return super().__call__(*arguments, **options)

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        texts = dict(self.help)
        arguments = super().get_arguments(ignore_unknown_help)
        # invoke 3.0.3 takes each text out as it is used, so a second parser would have none
        self.help = texts
        arguments += [
            Argument(name=name, kind=bool, default=False, help=text) for name, text in OUTPUT_FLAGS.items()
        ]
        for argument in arguments:
            if argument.name in SHORT_FLAGS:
                argument.names = (*argument.names, SHORT_FLAGS[argument.name])
        return [
            self._positional(argument, arguments) if argument.positional else argument
            for argument in arguments
        ]

    def _positional(self, argument: Argument, arguments: Iterable[Argument]) -> PositionalArgument:
        flags = self.replaced_by.get(argument.name or "", ())
        return PositionalArgument(
            self.name,
            replaced_by=[flag for flag in arguments if flag.name in flags],
            any_words=argument.name in self.any_words,
            may_be_missing=argument.name in self.may_be_missing,
            names=argument.names,
            kind=argument.kind,
            help=argument.help,
            attr_name=argument.attr_name,
        )


def _require_plain_text(options: Mapping[str, Any]) -> None:
    """Raises InputError for control characters, and for bytes that are no UTF-8, which Python passes on as half characters."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                continue
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise InputError(f"{option}: {text!a} is not UTF-8 text; write it as UTF-8")
            control = CONTROL.search(text)
            if control:
                raise InputError(
                    f"{option}: {text!a} has a control character at column {control.start() + 1}; write it in one line, "
                    "without controls"
                )


command = partial(task, klass=CommandTask)
