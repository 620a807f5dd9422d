"""A new repository: files that exist are kept, and the example is judged ok."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import torchpin
from torchpin.checks import run
from torchpin.commands import init
from torchpin.description.environments import select_environments
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from pathlib import Path


def statuses(root: Path, **options: bool) -> dict[str, str]:
    return {outcome.name: outcome.status for outcome in init.write_project(root, **options)}


def test_a_new_repository_has_a_place_for_services_and_both_command_lines(tmp_path: Path) -> None:
    assert {*statuses(tmp_path).values()} == {"changed"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".torchpin") == [
        ".github",
        ".gitignore",
        ".pre-commit-config.yaml",
        "noxfile.py",
        "services",
        "tasks.py",
    ]
    assert workspace.open_repository(tmp_path).services == ()
    workflow = (tmp_path / ".github/workflows/torchpin.yml").read_text()
    assert f"pip install torchpin=={torchpin.__version__}\n" in workflow
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    runs = [(step["run"], step.get("if", "")) for step in job["steps"] if "run" in step][1:]
    services = "hashFiles('services/*/service.yaml')"
    assert runs == [
        ("torchpin check", ""),
        ("torchpin clone", services),
        ("torchpin verify --require network,clone", services),
    ]
    images = (tmp_path / ".github/workflows/torchpin-images.yml").read_text()
    assert f"pip install torchpin=={torchpin.__version__}\n" in images
    jobs = yaml.safe_load(images)["jobs"]
    assert jobs["build"]["needs"] == "affected"
    assert "torchpin affected" in jobs["affected"]["steps"][-1]["run"]
    (hook,) = yaml.safe_load((tmp_path / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert hook["entry"] == "torchpin verify"


@pytest.mark.parametrize(
    ("file", "example", "summary"),
    [
        ("", False, "`invoke new --service NAME`"),
        ("", True, "`invoke lock`"),
        (
            "Dockerfile.gpu",
            False,
            "`invoke adopt . --write services/NAME` (this folder has a Dockerfile), or `invoke new --service NAME`",
        ),
        ("Dockerfile.j2", False, "`invoke new --service NAME`"),
    ],
)
def test_a_folder_with_a_dockerfile_is_adopted_next(
    tmp_path: Path, file: str, example: bool, summary: str
) -> None:
    if file:
        (tmp_path / file).write_text("FROM ubuntu\n")
    assert init.next_step(tmp_path, example=example) == summary


def test_the_second_time_nothing_changes(tmp_path: Path) -> None:
    init.write_project(tmp_path, example=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {*statuses(tmp_path, example=True).values()} == {"same"}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_file_that_exists_is_kept_with_the_lines_that_it_lacks(tmp_path: Path) -> None:
    texts = {
        "tasks.py": "from invoke import task\n",
        ".gitignore": "/third_party/\nnode_modules/\n",
        ".pre-commit-config.yaml": "repos:\n  - repo: local\n    hooks: [{id: mine}]\n",
        "services/README.md": "ours\n",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    outcomes = {outcome.name: outcome for outcome in init.write_project(tmp_path)}
    assert {path: (tmp_path / path).read_text() for path in texts} == texts
    assert {path: outcomes[path].status for path in texts} == dict.fromkeys(texts, "kept")
    assert outcomes["tasks.py"].detail.startswith("add to it:\n    import sys\n")
    assert "\n    namespace = invoke_tasks(sys.argv)" in outcomes["tasks.py"].detail
    assert "\n    /.venvs/\n" in outcomes[".gitignore"].detail
    assert "third_party" not in outcomes[".gitignore"].detail
    assert "\n            entry: torchpin verify\n" in outcomes[".pre-commit-config.yaml"].detail
    assert outcomes["services/README.md"].detail == ""
    assert outcomes["noxfile.py"].status == "changed"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tasks.py", "from torchpin.cli.entry import invoke_tasks\nnamespace = invoke_tasks([], mine)\n"),
        ("noxfile.py", "from torchpin.cli.sessions import verify\n# mine\n"),
        (
            ".gitignore",
            "*\n/.nox/\n/.venvs/\n/third_party/\n/torchpin.toml\n/docker-bake.json\n__pycache__/\n",
        ),
        (".pre-commit-config.yaml", "repos: [{repo: local, hooks: [{id: x, entry: torchpin judge}]}]\n"),
    ],
)
def test_a_file_that_has_what_it_needs_gets_no_advice(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / path).write_text(text)
    (outcome,) = (outcome for outcome in init.write_project(tmp_path) if outcome.name == path)
    assert (outcome.status, outcome.detail) == ("kept", "")


def test_below_the_top_of_a_git_repository_its_own_files_are_shown_and_not_written(tmp_path: Path) -> None:
    outcomes = {outcome.name: outcome for outcome in init.write_project(tmp_path, at_top=False)}
    for path in (
        ".github/workflows/torchpin.yml",
        ".github/workflows/torchpin-images.yml",
        ".pre-commit-config.yaml",
    ):
        assert outcomes[path].status == "kept"
        assert "top of the git repository" in outcomes[path].detail
        assert not (tmp_path / path).exists()
    assert outcomes["tasks.py"].status == "changed"


def test_the_example_is_a_service_that_the_judge_accepts(tmp_path: Path) -> None:
    init.write_project(tmp_path, example=True)
    repo = workspace.open_repository(tmp_path)
    (env,) = select_environments(repo.services)
    assert (env.name, env.variant.channel) == ("example-gpu", "pypi")
    results = run.run(evidence.from_descriptions((env,)), judge=True)
    assert {result.status for result in results} == {"ok", "not applicable"}
