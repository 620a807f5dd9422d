"""The tasks: their texts, help in every place, and short flags."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser

from torchpin.cli.main import namespace

if TYPE_CHECKING:
    from invoke import Task

TASKS: dict[str, Task[Any]] = {name: namespace[name] for name in namespace.task_names}
NAMES = sorted(TASKS)
OWN_HELP = {
    *{("facts", "check"), ("facts", "write")},  # of no file that is generated, and of no new one
    *{("remove", "dry_run"), ("remove", "package")},  # a list instead of a command, and names alone
    *{("add", "dry_run"), ("add", "package")},  # a diff instead of a command, and what is to be pinned
    *{("install", "dry_run"), ("build", "dry_run")},  # steps, or a sentence, instead of a command
    ("check", "fix"),  # of any file, and not of descriptions
    ("affected", "github"),  # a matrix, and no annotations
    ("new", "gpu"),  # to run on, not to judge for
    *{("adopt", "channel"), ("adopt", "torch")},  # what an image has, and not what is to be had
    # to move to, a plan instead of a command, and a plan that is not resolved
    *{("bump", "channel"), ("bump", "dry_run"), ("bump", "offline")},
    ("lock", "refresh"),  # resolutions, and no snapshots
    ("plan", "offline"),  # no registry instead of no index
}


def parameters(name: str) -> list[str]:
    """What a task can be given: all of its function's parameters but invoke's own context."""
    return [*inspect.signature(TASKS[name].body).parameters][1:]


def test_there_are_tasks() -> None:
    assert {"lock", "clone", "render", "build", "install", "verify", "document", "export", "services", "doctor"} <= {*NAMES}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_in_a_sentence_what_it_does(name: str) -> None:
    sentence = (TASKS[name].__doc__ or "").strip().split("\n\n")[0]
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert "\n" not in sentence, "`invoke --list` shows the first line alone"


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_help_for_each_of_its_parameters_and_no_other(name: str) -> None:
    help_ = {key.replace("-", "_"): text for key, text in TASKS[name].help.items()}
    assert sorted(help_) == sorted(parameters(name))
    assert all(help_.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_parameter_is_told_in_the_same_words(name: str) -> None:
    """`service` may be one or all; the others mean the same wherever they stand."""
    for parameter in {*parameters(name)} - {"service"}:
        help_texts = {
            TASKS[task_name].help[key]
            for task_name in NAMES
            for key in TASKS[task_name].help
            if key.replace("-", "_") == parameter and (task_name, parameter) not in OWN_HELP
        }
        if (name, parameter) in OWN_HELP:
            continue
        assert len(help_texts) == 1, (parameter, help_texts)


@pytest.mark.parametrize(
    ("task", "option"),
    [("lock", "upgrade-package"), ("judge", "gpu"), ("support", "gpu"), ("facts", "channel")],
)
def test_an_option_that_may_be_given_several_times_keeps_its_words_whole(task: str, option: str) -> None:
    parsed = Parser(contexts=deepcopy(namespace).to_contexts()).parse_argv(
        [task, f"--{option}", "RTX 5090", f"--{option}", "b"]
    )
    assert parsed[0].args[option].value == ["RTX 5090", "b"]


@pytest.mark.parametrize("flag", ["--resume", "--undo"])
def test_a_bump_wants_its_word_unless_it_is_resumed_or_undone(
    flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ParseError, match="what"):
        Parser(contexts=deepcopy(namespace).to_contexts()).parse_argv(["bump"])
    monkeypatch.setattr("sys.argv", ["invoke", "bump", flag])
    parsed = Parser(contexts=deepcopy(namespace).to_contexts()).parse_argv(["bump", flag])
    assert parsed[0].args[flag[2:]].value is True


def test_a_bump_takes_its_word_and_several_services() -> None:
    argv = ["bump", "torch==2.7.1", "--service", "lora", "--service", "zopilot"]
    parsed = Parser(contexts=deepcopy(namespace).to_contexts()).parse_argv(argv)
    assert parsed[0].args["what"].value == ["torch==2.7.1"]
    assert parsed[0].args["service"].value == ["lora", "zopilot"]


def test_only_a_task_that_takes_all_services_says_so() -> None:
    for name in NAMES:
        signature = inspect.signature(TASKS[name].body).parameters
        if "service" in signature:
            optional = signature["service"].default == ""
            assert ("if omitted" in TASKS[name].help["service"]) == optional, name
