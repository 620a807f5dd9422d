"""The tasks say what they do, and the documents name what there is."""

from __future__ import annotations

import inspect
import re
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser

from torchpin.checks import rules
from torchpin.checks.registry import REGISTRY
from torchpin.cli.main import namespace

if TYPE_CHECKING:
    from invoke import Task

assert rules  # importing it registers the checks

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TASKS: dict[str, Task[Any]] = {name: namespace[name] for name in namespace.task_names}
NAMES = sorted(TASKS)
OWN_HELP = {
    *{("facts", "check"), ("facts", "write")},  # of no file that is generated, and of no new one
    *{("bump", "channel"), ("bump", "dry_run")},  # to move to, and a plan instead of a command
}
ABSENT = {"uv.lock"}  # named to say that there is none


def parameters(name: str) -> list[str]:
    """What a task can be given: all of its function's parameters but invoke's own context."""
    return [*inspect.signature(TASKS[name].body).parameters][1:]


# --- each task -------------------------------------------------------------------------------------------------------


def test_there_are_tasks() -> None:
    assert {"lock", "clone", "render", "build", "install", "verify", "document", "export", "services", "doctor"} <= {*NAMES}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_in_a_sentence_what_it_does(name: str) -> None:
    docstring = (TASKS[name].__doc__ or "").strip()
    assert docstring.endswith(".")
    assert docstring[0].isupper()
    assert "\n" not in docstring, "`invoke --list` shows the first line alone"


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
    assert parsed[0].args["what"].value == "torch==2.7.1"
    assert parsed[0].args["service"].value == ["lora", "zopilot"]


def test_only_a_task_that_takes_all_services_says_so() -> None:
    for name in NAMES:
        signature = inspect.signature(TASKS[name].body).parameters
        if "service" in signature:
            optional = signature["service"].default == ""
            assert ("all of them" in TASKS[name].help["service"]) == optional, name


# --- the documents ---------------------------------------------------------------------------------------------------


def code(text: str) -> list[str]:
    """Everything in backticks, outside blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))


def named_tasks(text: str) -> set[str]:
    """The tasks that a text names in backticks."""
    return {match[1] for word in code(text) if (match := re.match(r"invoke ([a-z][a-z-]*)", word))}


def test_the_readme_s_table_names_every_task_and_no_other() -> None:
    rows = {match[1] for match in re.finditer(r"(?m)^\| `invoke ([a-z-]+)[^`]*` \|", README)}
    assert rows - {"--list"} == {*NAMES}


@pytest.mark.parametrize(
    "page", [*PAGES, "docs/PINNING.md", "DEVIATIONS.md", "docs/CHECKS.md", "CHANGELOG.md"]
)
def test_a_page_names_only_tasks_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert named_tasks(text) <= {*NAMES}


def test_messages_name_only_tasks_that_exist() -> None:
    for path in sorted((ROOT / "src").rglob("*.py")):
        assert named_tasks(path.read_text(encoding="utf-8")) <= {*NAMES}, path.name


@pytest.mark.parametrize("check", sorted(REGISTRY))
def test_a_check_stands_in_the_page_of_checks(check: str) -> None:
    assert f"`{check}`" in (ROOT / "docs/CHECKS.md").read_text(encoding="utf-8")


def test_every_option_that_the_readme_names_with_a_task_is_its_own() -> None:
    for span in code(README):
        match = re.match(r"invoke ([a-z-]+)((?: .*)?)$", span)
        if match and match[1] in TASKS:
            options = {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)", match[2])}
            assert options <= {*parameters(match[1])} | {"help"}, span


# --- paths -----------------------------------------------------------------------------------------------------------


def ignored_paths() -> set[str]:
    """The top-level places that git ignores."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return {line.strip("/") for line in lines if line.startswith("/")}


def is_path(word: str) -> bool:
    """A path of this repository, as far as its looks tell."""
    well_formed = re.fullmatch(r"[\w.*<>/-]+", word)
    first = word.split("/", maxsplit=1)[0]
    if not well_formed or word.startswith(("/", "-")) or ".example" in first or first == "linux":
        return False
    return "/" in word or bool(re.search(r"\.(?:py|md|txt|yaml|toml|json|j2|sh|lock)$", word))


def exists(word: str) -> bool:
    pattern = re.sub(r"<[^>]+>", "*", word).rstrip("/")
    if pattern.split("/", maxsplit=1)[0] in ignored_paths() | ABSENT:
        return True
    if "<" in word and pattern.startswith("records/"):
        return True  # comes with the first image that is built
    paths = ROOT.glob(pattern) if "/" in pattern else ROOT.glob(f"*/**/{pattern}")
    return (ROOT / pattern).exists() or any(paths)


@pytest.mark.parametrize("page", PAGES)
def test_the_paths_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = [word for word in code(text) if is_path(word)]
    assert paths
    assert [word for word in paths if not exists(word)] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_search_for_paths_finds_what_is_missing() -> None:
    paths = (
        "services/<service>/nothing.yaml",
        "src/torchpin/factz/",
        "servicez.yaml",
        "services/lora/smoke.py",
    )
    assert [(is_path(word), exists(word)) for word in paths] == [
        (True, False),
        (True, False),
        (True, False),
        (True, True),
    ]
    assert not any(
        map(is_path, ("linux/amd64", "https://x.example/a", "--check", "registry.example/hub", "lora"))
    )
