"""A new service is two files in a folder of its own, which the reader accepts and nothing else knows."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.new_services import PYTHONS, write_new_service
from torchpin.checks import families, run
from torchpin.commands.new import NewOptions, create_service, service_text
from torchpin.commands.new_service import write_service
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.queries.starting_pins import PinRequest, choose_pins
from torchpin.tools import index_server
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with the five services, nothing else."""
    shutil.copytree(ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__"))
    return workspace.open_repository(tmp_path)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".torchpin" not in path.parts
    }


def test_a_new_service_is_two_files_and_changes_no_other(repo: Repository) -> None:
    before = tree(repo.root)
    outcomes = write_new_service(repo, "whisper")
    assert [(outcome.name, outcome.status, outcome.code) for outcome in outcomes] == [
        ("services/whisper/service.yaml", "changed", 0),
        ("services/whisper/smoke.py", "changed", 0),
    ]
    after = tree(repo.root)
    assert {*after} - {*before} == {"services/whisper/service.yaml", "services/whisper/smoke.py"}
    assert {path: after[path] for path in before} == before


def test_a_new_service_is_one_more_environment_that_the_judge_accepts(repo: Repository) -> None:
    write_new_service(repo, "whisper-2")
    reopened = workspace.open_repository(repo.root)
    assert len(reopened.services) == len(repo.services) + 1
    (env,) = select_environments(reopened.services, service="whisper-2")
    assert env.name == "whisper-2-gpu"
    results = run.run(evidence.from_descriptions((env,)), judge=True)
    assert run.blocking_findings(results) == ()
    assert [result.check for result in results if result.status not in {"ok", "not applicable"}] == [
        "BAS002"
    ], results


def test_a_new_service_s_channel_is_recorded_so_it_locks_where_the_index_is_out_of_reach(
    repo: Repository,
) -> None:
    write_new_service(repo, "whisper")
    (env,) = select_environments(workspace.open_repository(repo.root).services, service="whisper")
    files = index_server.recorded_files(env.variant.channel)
    for name, version in env.service.torch.family.items():
        tag = (
            f"{name}-{version}+{env.variant.channel}-cp{env.service.python.major}{env.service.python.minor}-"
        )
        assert [file.filename for file in files[name] if file.filename.startswith(tag)], tag


def test_its_smoke_test_is_python_that_uses_torch(repo: Repository) -> None:
    write_new_service(repo, "whisper")
    text = (repo.root / "services/whisper/smoke.py").read_text(encoding="utf-8")
    module = ast.parse(text)
    assert "whisper" in str(ast.get_docstring(module))
    assert [alias.name for node in module.body if isinstance(node, ast.Import) for alias in node.names] == [
        "torch"
    ]


@pytest.mark.parametrize("name", ["lora", "seedvr"])
def test_a_name_that_is_taken_is_refused(repo: Repository, name: str) -> None:
    before = tree(repo.root)
    with pytest.raises(InputError, match=f"services/{name} already exists; choose another name"):
        write_new_service(repo, name)
    assert tree(repo.root) == before


@pytest.mark.parametrize(
    "name", ["Whisper", "a_b", "-a", "a b", "../a", "a/b", "", "x" * 200, 'a": "b', "a\nb"]
)
def test_a_name_that_no_folder_or_image_may_have_is_refused_as_the_option_s(
    repo: Repository, name: str
) -> None:
    before = tree(repo.root)
    with pytest.raises(InputError, match=rf"^--service {re.escape(repr(name))} is not a name \(lower-case"):
        write_new_service(repo, name)
    assert tree(repo.root) == before


@pytest.mark.parametrize("name", ["1", "1e3", "null", "true", "2026-01-01"])
def test_a_name_that_yaml_reads_as_something_else_is_quoted(repo: Repository, name: str) -> None:
    write_new_service(repo, name)
    (env,) = select_environments(workspace.open_repository(repo.root).services, service=name)
    assert env.service.name == name


def test_a_capability_among_the_gpus_is_quoted(repo: Repository) -> None:
    request = PinRequest(gpus=("9.0", "RTX 4090"))
    write_service(repo, "whisper", service_text("whisper", request.gpus, choose_pins(request, PYTHONS)))
    (env,) = select_environments(workspace.open_repository(repo.root).services, service="whisper")
    assert env.service.gpus == request.gpus


def test_what_a_project_asks_for_and_its_draft_lacks_is_named_above_the_description(
    tmp_path: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(
        "FROM nvidia/cuda:12.6.3-base-ubuntu24.04\nRUN pip install -r requirements.txt\n"
    )
    (project / "requirements.txt").write_text("torch==2.8.0\ntqdm==4.67.1\ntransformers>=4.40\n")
    monkeypatch.chdir(repo.root)
    report = create_service(NewOptions(service="whisper", pins=PinRequest(), project=str(project)))
    text = (repo.root / "services/whisper/service.yaml").read_text(encoding="utf-8")
    assert "- component: transformers\n  says: '>=4.40'\n  by: requirements.txt\n" in text
    assert "no version" not in text
    assert report.summary.splitlines()[-2:] == [
        "see the comments at the top of services/whisper/service.yaml for what to review",
        "next: `invoke lock --service whisper`",
    ]


def test_a_name_whose_environment_another_service_has_is_refused(repo: Repository) -> None:
    """`coaxial` with variant `x-gpu` and `coaxial-x` with `gpu` would be one lock, one folder, one image."""
    path = repo.root / "services/coaxial/service.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\n  cpu:\n", "\n  x-gpu:\n"), encoding="utf-8")
    reopened = workspace.open_repository(repo.root)
    with pytest.raises(InputError):
        write_new_service(reopened, "coaxial-x")
