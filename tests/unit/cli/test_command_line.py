"""How command lines are parsed: help, short flags, positional arguments and the flags that replace them."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from invoke import Argument, Collection, MockContext, Program
from invoke.parser import Parser

from torchpin.cli.command_line import (
    OUTPUT_FLAGS,
    SHORT_FLAGS,
    CommandTask,
    HelpRequested,
    PositionalArgument,
    UnknownOptionError,
    command,
)
from torchpin.cli.main import namespace
from torchpin.output.volume import is_quiet, is_verbose, task_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from invoke import Context
    from invoke.parser import ParseResult

NAMES = sorted(namespace.task_names)
POSITIONAL = [  # tasks with one that has to be there
    name
    for name in NAMES
    if any(argument.positional and argument.value is None for argument in namespace[name].get_arguments())
]
CORE = Program().initial_context


def parse(*words: str) -> ParseResult:
    return Parser(initial=CORE, contexts=deepcopy(namespace).to_contexts()).parse_argv([*words])


def short_flag_conflicts(tasks: Iterable[CommandTask]) -> set[str]:
    """The short flags that mean two things in these tasks, or one thing here and another in invoke itself."""
    core_names = [name for argument in CORE.args.values() for name in argument.names]
    meanings: dict[str, set[str]] = {f"-{name}": {"invoke"} for name in core_names if len(name) == 1}
    for task in tasks:
        for argument in task.get_arguments():
            for name in argument.names[1:]:
                meanings.setdefault(f"-{name}", set()).add(argument.names[0])
    return {flag for flag, names in meanings.items() if len(names) > 1}


# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", NAMES)
def test_help_after_a_task_is_that_task_s_help(name: str, flag: str) -> None:
    if name in POSITIONAL:
        with pytest.raises(HelpRequested) as request:
            parse(name, flag)
        assert (request.value.task_name, request.value.code) == (name, 0)
    else:
        assert parse(name, flag)[0].args["help"].value == name


@pytest.mark.parametrize("words", [("why", "lora", "-h"), ("diff", "HEAD", "--help"), ("why", "-h", "lora")])
def test_help_is_no_positional_argument_wherever_it_stands(words: tuple[str, ...]) -> None:
    with pytest.raises(HelpRequested):
        parse(*words)


def test_a_plain_task_would_take_help_for_its_argument() -> None:
    """The fault of invoke that PositionalArgument is for; where this fails, the class can go."""
    from invoke import task

    @task
    def plain(_: Context, service: str) -> None:
        """Say nothing."""

    parser = Parser(initial=CORE, contexts=Collection(plain).to_contexts())
    assert parser.parse_argv(["plain", "--help"])[1].args["service"].value == "--help"


# --- positional arguments --------------------------------------------------------------------------------------------


def test_positional_arguments_are_taken_in_their_order() -> None:
    arguments = parse("why", "lora", "torch", "--json")[1].as_kwargs
    volume = {"verbose": False, "quiet": False}
    assert arguments == {"service": "lora", "component": "torch", "variant": "", "json": True, **volume}


@pytest.mark.parametrize("name", POSITIONAL)
def test_a_positional_argument_is_no_option(name: str) -> None:
    with pytest.raises(UnknownOptionError, match="`--servce`") as error:
        parse(name, "--servce=lora")
    assert (error.value.task_name, error.value.option) == (name, "--servce")


def test_a_dash_alone_is_a_value() -> None:
    argument = PositionalArgument("diff", names=("before",))
    argument.value = "-"
    assert argument.value == "-"


def test_a_flag_that_is_set_stands_in_the_place_of_an_argument() -> None:
    flag = Argument(name="undo", kind=bool, default=False)
    argument = PositionalArgument("bump", names=("what",), replaced_by=[flag])
    assert argument.value is None
    flag.set_value(True)
    assert argument.value == ""


@pytest.mark.parametrize("flag", ["resume", "undo"])
def test_only_its_own_flags_replace_what_a_bump_wants(flag: str) -> None:
    assert parse("bump", f"--{flag}")[1].as_kwargs["what"] == []
    with pytest.raises(Exception, match="'what'"):
        parse("bump", "--dry-run")


@pytest.mark.parametrize(
    "words",
    [
        ("a==1", "b==2", "--yes"),
        ("a==1", "--yes", "b==2"),
        ("--service", "lora", "a==1", "b==2"),
        ("a==1", "--service", "lora", "b==2"),
    ],
)
def test_a_list_takes_every_word_that_is_no_option(words: tuple[str, ...]) -> None:
    (_, bump) = parse("bump", *words)
    assert bump.as_kwargs["what"] == ["a==1", "b==2"]


def test_a_list_ends_at_the_next_task() -> None:
    _, first, second, third = parse("bump", "a==1", "b==2", "judge", "bump", "c==3")
    assert (first.as_kwargs["what"], second.name) == (["a==1", "b==2"], "judge")
    assert third.as_kwargs["what"] == ["c==3"]


@pytest.mark.parametrize("words", [("bump", "a==1", "--offlin"), ("bump", "a==1", "b==2", "-x")])
def test_an_option_that_does_not_exist_is_no_word_of_a_list(words: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match="No idea what"):
        parse(*words)


def test_a_task_without_a_list_takes_no_further_word() -> None:
    with pytest.raises(Exception, match="No idea what 'numpy'"):
        parse("why", "lora", "torch", "numpy")


# --- short flags -----------------------------------------------------------------------------------------------------


def test_a_short_flag_means_the_same_in_every_task() -> None:
    assert short_flag_conflicts(namespace.tasks.values()) == set()


def test_short_flags_are_those_of_the_table() -> None:
    flags = {
        (argument.names[0], name)
        for task in namespace.tasks.values()
        for argument in task.get_arguments()
        for name in argument.names[1:]
    }
    assert flags == {*SHORT_FLAGS.items()}


def test_a_short_flag_is_its_long_one() -> None:
    assert parse("render", "-s", "lora", "-v", "-q")[1].as_kwargs["service"] == "lora"


def test_the_search_for_conflicts_finds_them() -> None:
    class WithAutomaticFlags(CommandTask):
        def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
            self.auto_shortflags = True
            return super().get_arguments(ignore_unknown_help)

    def push(_: Context, push: bool = False, update: bool = False) -> None:
        """Push."""

    def undo(_: Context, undo: bool = False, host: str = "") -> None:
        """Undo."""

    assert short_flag_conflicts(map(WithAutomaticFlags, (push, undo))) == {"-p", "-u", "-h"}


def test_a_task_can_be_parsed_for_twice() -> None:
    @command(help={"service": "the service"})
    def first(_: Context, service: str = "") -> None:
        """Do."""

    texts: list[Any] = [[argument.help for argument in first.get_arguments()] for _ in range(2)]
    assert texts == [["the service", *OUTPUT_FLAGS.values()]] * 2


# --- lists that take any word ----------------------------------------------------------------------------------------


def test_packages_may_be_called_like_tasks() -> None:
    parsed = parse("add", "whisper", "build", "schema", "--dry-run", "run", "--layer", "app")
    assert [context.name for context in parsed if context.name] == ["add"]
    assert parsed[1].as_kwargs["service"] == "whisper"
    assert parsed[1].as_kwargs["package"] == ["build", "schema", "run"]
    assert (parsed[1].as_kwargs["dry_run"], parsed[1].as_kwargs["layer"]) == (True, "app")


def test_what_is_added_has_to_be_named() -> None:
    with pytest.raises(Exception, match="'package'"):
        parse("add", "whisper")


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        (("whisper",), []),
        (("--service", "whisper"), []),
        (("whisper", "--dry-run"), []),
        (("whisper", "fastapi"), ["fastapi"]),
        (("--service", "whisper", "fastapi", "build"), ["fastapi", "build"]),
        (("whisper", "fastapi", "--dry-run", "uvicorn"), ["fastapi", "uvicorn"]),
    ],
)
def test_a_service_is_removed_or_packages_of_it_are(words: tuple[str, ...], packages: list[str]) -> None:
    """A word too many never removes more: what stands behind the service is a package, and no task that runs next."""
    parsed = parse("remove", *words)
    assert [context.name for context in parsed if context.name] == ["remove"]
    arguments = parsed[1].as_kwargs
    assert (arguments["service"], arguments["package"]) == ("whisper", packages)


# --- how much is printed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_task_can_be_quiet_or_verbose(name: str) -> None:
    flags = {name for argument in namespace[name].get_arguments() for name in argument.names}
    assert {"quiet", "q", "verbose", "v"} <= flags


@pytest.mark.parametrize(
    ("flags", "volume"),
    [({}, (False, False)), ({"quiet": True}, (True, False)), ({"verbose": True}, (False, True))],
)
def test_a_task_does_not_see_how_much_is_printed(flags: dict[str, bool], volume: tuple[bool, bool]) -> None:
    seen = []

    @command(help={"service": "the service"})
    def look(_: Context, service: str = "") -> None:
        """Look."""
        seen.append((task_name(), service, (is_quiet(), is_verbose())))

    look(MockContext(), service="lora", **flags)
    assert seen == [("look", "lora", volume)]
    assert (task_name(), is_quiet(), is_verbose()) == ("", False, False)
