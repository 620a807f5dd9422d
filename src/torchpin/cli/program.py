"""The two programs that serve the tasks: `torchpin`, and `invoke` in a repository."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

from invoke import Collection, Exit, ParseError, Program
from invoke.parser import Parser
from invoke.terminals import pty_size

from torchpin.cli.command_line import CommandTask, HelpRequested
from torchpin.cli.suggestions import describe_parse_error, refuse_dry
from torchpin.controls import show_controls
from torchpin.errors import INPUT
from torchpin.output.program import INVOKE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Task

# Those of invoke's own options that a user of torchpin needs.
_OPTION = re.compile(r"--(?:help|list|version)(?![-\w])")


class CommandProgram(Program):
    """A program that shows the help of a task wherever it is requested, and ends with one line for what it cannot parse."""

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except HelpRequested as request:
            self.print_task_help(request.task_name)
            raise Exit from None
        except ParseError as error:
            raise self._explained(error) from None
        has_commands = any(isinstance(self.collection[context.name], CommandTask) for context in self.tasks)
        if has_commands and self.args.dry.value:
            raise Exit(message=refuse_dry("--dry", self.parser.contexts), code=INPUT)

    def parse_cleanup(self) -> None:
        self._end_with_completions(self.collection)
        try:
            super().parse_cleanup()
        except ParseError as error:  # `--help` of a task that does not exist
            raise self._explained(error) from None

    def _end_with_completions(self, tasks: Collection) -> None:
        """Prints what completes the words behind `--complete -- SHELL PROGRAM`, if that is called, and ends the program."""
        if not self.args.complete.value:
            return
        from torchpin.cli.completion import SHELLS, complete
        from torchpin.cli.completion_values import values_of
        from torchpin.output.terminal import print_raw

        shell, *words = self.argv[self.argv.index("--") + 1 :] or [""]
        if shell in SHELLS:
            words = words[1:]
        completions = complete(words, tasks, self.initial_context, values_of)
        print_raw(
            "".join(
                f"{word}\t{text}\n" if shell in SHELLS else f"{word}\n" for word, text in completions.items()
            )
        )
        raise Exit

    def print_help(self) -> None:
        """The commands by groups, then the options that matter before a command."""
        from torchpin.cli.groups import GROUPS
        from torchpin.output.terminal import print_raw

        print_raw(
            f"Usage: {self.binary} COMMAND [--options]; `{self.binary} COMMAND --help` shows the options\n\n"
        )
        for group, names in GROUPS.items():
            print_raw(f"{group}:\n")
            docs = {name: inspect.getdoc(self.collection[name]) or "" for name in names}
            self.print_columns([(name, text.partition("\n")[0]) for name, text in docs.items()])
        print_raw("Options:\n")
        self.print_columns(
            [row for row in self.initial_context.help_tuples() if _OPTION.search(row[0]) is not None]
        )

    def print_task_help(self, name: str) -> None:
        """Usage with the positional arguments, what the task does, and its options."""
        from torchpin.output.terminal import print_raw

        context = self.parser.contexts[name]
        words = {
            f"--{argument.name}": f"{str(argument.name).upper()}{'...' if argument.kind is list else ''}"
            for argument in context.positional_args
        }
        width = pty_size()[0] - 1
        text = inspect.getdoc(self.collection[name]) or ""
        paragraphs = (
            textwrap.fill(part, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
            for part in text.split("\n\n")
        )
        usage = " ".join(("Usage:", self.binary, name, *words.values(), "[--options]"))
        print_raw("\n\n".join((usage, *paragraphs, "Options:")) + "\n")
        self.print_columns(
            [(words.get(spec.partition("=")[0], spec), help_) for spec, help_ in context.help_tuples()]
        )

    def _explained(self, error: ParseError) -> Exit:
        message = describe_parse_error(
            error, program=self.binary, tasks=self.parser.contexts, core=self.initial_context
        )
        return Exit(message=show_controls(message), code=INPUT)

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:  # noqa: A002 - invoke's name
        from torchpin.output.program import called_as

        with called_as(self.binary):
            super().run(argv, exit=exit)


class InvokeCheck(CommandProgram):
    """The command line of `invoke`, parsed once before it does so itself."""

    def __init__(self, tasks: Collection) -> None:
        super().__init__(binary=INVOKE)  # without a namespace: then it knows all of invoke's own options
        self.collection = tasks

    def _make_parser(self) -> Parser:
        return Parser(initial=self.initial_context, contexts=self.collection.to_contexts())

    def check(self, argv: Sequence[str]) -> None:
        """Raises Exit for help, once it is printed, and for what cannot be parsed; else leaves all to invoke."""
        self.normalize_argv([*argv])
        self.parse_core_args()
        self._end_with_completions(self.collection)
        if not (self.core.unparsed or isinstance(self.args.help.value, str)):
            return
        self.parse_tasks()
        requested = self.args.help.value
        if requested and requested not in self.parser.contexts:
            raise self._explained(ParseError(f"No idea what {requested!r} is!"))
        if requested:
            self.print_task_help(requested)
            raise Exit


def combined(tasks: Collection, repository_tasks: Sequence[Task[Any]]) -> Collection:
    """A collection with tasks of a repository's own in place of those of the same name, and beside the others."""
    collection = Collection(*tasks.tasks.values())
    for task in repository_tasks:
        collection.add_task(task)
    return collection


def check_invoke(tasks: Collection, argv: Sequence[str]) -> None:
    """What a repository's tasks.py calls, so that `invoke` parses as `torchpin` does.

    `invoke` 3.0.3 has no hook before its parser: only tasks.py is ours, which it imports when it has parsed its own options.
    So the command line is parsed here first. It can go when a Collection can bring a Program or a parser along.
    """
    InvokeCheck(tasks).check(argv)


def torchpin_program(tasks: Collection, version: str, **options: Any) -> CommandProgram:
    """The program `torchpin`."""
    return CommandProgram(name="torchpin", binary="torchpin", version=version, namespace=tasks, **options)
