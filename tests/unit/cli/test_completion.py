"""What is offered at the cursor, from the tasks as they are and values of the test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from torchpin.checks.run import registered_checks
from torchpin.cli.completion import SHELLS, TypedLine, complete, completion_script
from torchpin.cli.completion_values import values_of
from torchpin.cli.main import namespace
from torchpin.cli.program import torchpin_program
from torchpin.commands.export import FORMATS
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CORE = torchpin_program(namespace, "0.0").initial_context
_VALUES = {"service": ("lora", "seedvr"), "gpu": ("B200", "H100"), "component": ("torch", "tqdm")}


def _offered(*typed: str) -> list[str]:
    def values(parsed: TypedLine, argument: str) -> Sequence[str]:
        if argument == "variant":
            return (f"{parsed.value('service')}-gpu",)
        return _VALUES.get(argument, ())

    return list(complete(typed, namespace, _CORE, values))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("jud",), ["judge"]),
        (("judge", "--se"), ["--service"]),
        (("judge", "--service", ""), ["lora", "seedvr"]),
        (("judge", "--service", "x"), []),
        (("judge", "-s", "se"), ["seedvr"]),
        (("judge", "--service=lo"), ["--service=lora"]),
        (("judge", "--gpu", "b"), ["B200"]),
        (("judge", "--gpu", "B200", "--gp"), ["--gpu"]),  # of the kind that may be given again
        (("judge", "--service", "lora", "--serv"), []),
        (("why", ""), ["lora", "seedvr"]),
        (("why", "lora", "t"), ["torch", "tqdm"]),
        (("why", "lora", "torch", "--js"), ["--json"]),
        (("build", "--service", "lora", "--variant", ""), ["lora-gpu"]),
        (("--vers",), ["--version"]),
        (("judge", "--html", "pa"), []),  # a file, which the shell knows
        (("judge", "--html=pa"), []),
        (("judge", "lock", "--chec"), ["--check"]),  # two tasks after each other
        (("judge", "--nonsense", "--str"), ["--strict"]),
        (("--echo", "suppo"), ["support"]),
    ],
)
def test_the_words_that_fit_are_offered(typed: tuple[str, ...], offered: list[str]) -> None:
    assert _offered(*typed) == offered


@pytest.mark.parametrize("typed", [(), ("",), ("--echo", "")])
def test_tasks_are_offered_first_with_their_titles(typed: tuple[str, ...]) -> None:
    offered = complete(typed, namespace, _CORE, lambda *_: ())
    assert list(offered) == sorted(namespace.task_names)
    assert all(offered.values())


def test_after_its_arguments_a_task_offers_its_options_with_their_help() -> None:
    offered = complete(("why", "lora", "torch", ""), namespace, _CORE, lambda *_: ())
    assert {"--variant", "--json"} <= set(offered)
    assert not {"--service", "--component"} & set(offered)
    assert all(offered.values())


@pytest.mark.parametrize("task", sorted(namespace.task_names))
def test_no_task_and_no_argument_fails(task: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside of a repository, too, where some values are unknown."""
    monkeypatch.chdir(tmp_path)
    context = next(context for context in namespace.to_contexts() if context.name == task)
    for argument in context.args.values():
        for value in values_of(TypedLine(context, task), str(argument.name)):
            assert re.fullmatch(r"\S+( \S+)*", value)


def test_values_come_from_facts_and_registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    typed = TypedLine(_CORE, "export")
    assert list(values_of(typed, "format")) == list(FORMATS)
    assert {check.id for check in registered_checks()} < set(values_of(typed, "id"))
    assert {"B200", "RTX 4090"} & set(values_of(typed, "gpu"))
    assert "cu128" in values_of(typed, "channel")
    assert values_of(typed, "service") == ()  # no repository
    assert values_of(TypedLine(_CORE, "new"), "service") == ()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_the_program_that_was_called(shell: str) -> None:
    script = completion_script(shell, "invoke")
    assert "invoke --complete" in script
    assert "PROGRAM" not in script


def test_a_shell_without_completion_is_refused() -> None:
    with pytest.raises(InputError, match="no completion for 'tcsh'; the shells are bash, zsh and fish"):
        completion_script("tcsh", "torchpin")
