"""The documents name what there is: tasks, options, checks, paths and links."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.checks import families
from torchpin.checks.registry import registered
from torchpin.cli.main import namespace
from torchpin.paths import DOCKERFILE_TEMPLATE, IMAGES_WORKFLOW, POLICY, RUNTIME, WORKFLOW

if TYPE_CHECKING:
    from invoke import Task

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md")
GUIDE = tuple(f"docs/{name}.md" for name in ("start", "describe", "lock", "build", "ci", "sbom", "files"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
TASKS: dict[str, Task[Any]] = {name: namespace[name] for name in namespace.task_names}
NAMES = sorted(TASKS)
ABSENT = {"pylock.toml", "uv.lock", "uv.toml"}  # named, and not committed


def parameters(name: str) -> list[str]:
    """What a task can be given: all of its function's parameters but invoke's own context."""
    return [*inspect.signature(TASKS[name].body).parameters][1:]


def code(text: str) -> list[str]:
    """Everything in backticks, outside blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))


def named_tasks(text: str) -> set[str]:
    """The tasks that a text names in backticks."""
    return {match[1] for word in code(text) if (match := re.match(r"invoke ([a-z][a-z-]*)", word))}


def test_the_readme_s_table_names_every_task_and_no_other() -> None:
    rows = [
        line for line in README.split("\n## Commands\n")[1].split("\n## ")[0].splitlines() if line[0:1] == "|"
    ]
    assert sorted(word for row in rows for word in code(row)) == NAMES


@pytest.mark.parametrize(
    "page", [*PAGES, "docs/PINNING.md", "DEVIATIONS.md", "docs/CHECKS.md", "CHANGELOG.md"]
)
def test_a_page_names_only_tasks_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert named_tasks(text) <= {*NAMES}


def test_messages_name_only_tasks_that_exist() -> None:
    for path in sorted((ROOT / "src").rglob("*.py")):
        assert named_tasks(path.read_text(encoding="utf-8")) <= {*NAMES}, path.name


@pytest.mark.parametrize("check", [check.id for check in registered("check")])
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
    if pattern in {DOCKERFILE_TEMPLATE, RUNTIME, POLICY, "policy.yaml", WORKFLOW, IMAGES_WORKFLOW}:
        return True  # of other repositories: here they are torchpin's own
    if "<" in word and pattern.startswith("records/"):
        return True  # comes with the first image that is built
    paths = ROOT.glob(pattern) if "/" in pattern else ROOT.glob(f"*/**/{pattern}")
    package = ROOT / "src" / "torchpin"  # its folders and modules are named without it
    return (
        (ROOT / pattern).exists()
        or any(paths)
        or any(package.glob(pattern))
        or (package / f"{pattern}.py").is_file()
    )


@pytest.mark.parametrize("page", [*PAGES, *GUIDE])
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
