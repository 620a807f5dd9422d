"""docs/COMMANDS.md: every command with its options, from the tasks of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.cli.groups import GROUPS
from torchpin.cli.main import namespace
from torchpin.documents.markdown import anchor, code, link, paragraphs, prose, table

if TYPE_CHECKING:
    from invoke import Task
    from invoke.parser.argument import Argument

COMMANDS = "docs/COMMANDS.md"
_OPENING = """\
# Commands

<!-- generated from the command line: nox -s docs -- --write -->

Every command is there as `torchpin COMMAND` and, in a repository with a `tasks.py`, as `invoke COMMAND`.
The options follow the command: `torchpin COMMAND --option`.
`torchpin --list` prints the commands with a sentence each, `torchpin COMMAND --help` the options of a command.
The short options are the same everywhere: `-s` for `--service`, `-j` for `--json`, `-v` for `--verbose`, `-q` for `--quiet`.
Commands that take `--service` act on every service without it, except `install`, `run` and `export`, which need a service.
Every command ends with an [exit code](files.md#exit-codes) that says how it went."""
_PLACEHOLDERS = {bool: "", str: " TEXT", list: " TEXT"}


def commands_text() -> str:
    """The page of all commands."""
    summary = [
        (prose(group), ", ".join(link(code(name), f"#{anchor(name)}") for name in names))
        for group, names in GROUPS.items()
    ]
    sections = [
        paragraphs(f"## {group}", *(_command_section(name, namespace[name]) for name in names))
        for group, names in GROUPS.items()
    ]
    return paragraphs(_OPENING, table(("Group", "Commands"), summary), *sections) + "\n"


def _command_section(name: str, task: Task[Any]) -> str:
    arguments = task.get_arguments()
    usage = " ".join(
        [f"torchpin {name}", *(_usage(argument) for argument in arguments if argument.positional)]
    )
    rows = [(_argument_cell(argument), prose(argument.help or "")) for argument in arguments]
    return paragraphs(
        f"### {name}",
        prose(task.body.__doc__ or ""),
        code(usage),
        table(("Option", "Meaning"), rows) if rows else "",
    )


def _usage(argument: Argument) -> str:
    return f"{argument.names[0].upper()}{'...' if argument.kind is list else ''}"


def _argument_cell(argument: Argument) -> str:
    """An option with its short form and what it takes; a positional argument by its name."""
    if argument.positional:
        return code(_usage(argument))
    name, *short = argument.names
    taken = _PLACEHOLDERS.get(argument.kind, " NUMBER")
    return ", ".join([*(code(f"-{letter}") for letter in short), code(f"--{name}{taken}")])
