"""What is rendered and documented rests on what was read: where that changed meanwhile, nothing is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin import paths
from torchpin.commands import generate
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError
from torchpin.workspace import generated, hand_edits, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]
RESOURCES = ROOT / paths.RESOURCES
LOCK_FILE = "lockfiles/zopilot-gpu/00-torch.requirements.txt"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with one of the services."""
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: None)
    for name in ("services/zopilot", "lockfiles/zopilot-gpu", "docker/zopilot-gpu", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(RESOURCES / "runtime", tmp_path / paths.RUNTIME)
    shutil.copy(RESOURCES / "Dockerfile.j2", tmp_path / paths.DOCKERFILE_TEMPLATE)
    shutil.copy(ROOT / paths.DEVIATIONS, tmp_path / paths.DEVIATIONS)
    repo = workspace.open_repository(tmp_path)
    generate.write_documents(repo)
    return repo


def append(repo: Repository, path: str) -> None:
    (repo.root / path).write_text((repo.root / path).read_text() + "edited\n")


def after_generating(monkeypatch: pytest.MonkeyPatch, function: str, meanwhile: Callable[[], object]) -> None:
    """What others do between the reading of all inputs and the writing."""
    generate_texts = getattr(generated, function)

    def slow(*arguments: object, **options: object) -> object:
        result = generate_texts(*arguments, **options)
        meanwhile()
        return result

    monkeypatch.setattr(generated, function, slow)


@pytest.mark.parametrize(
    "path",
    ["services/zopilot/service.yaml", "services/zopilot/smoke.py", paths.DOCKERFILE_TEMPLATE, LOCK_FILE,
     "docker/runtime/probe.py"],
)  # fmt: skip
def test_what_a_rendering_rests_on_must_not_change_meanwhile(
    path: str, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = select_environments(repo.services)
    generate.write_renderings(repo, environments)
    after_generating(monkeypatch, "_render_texts", lambda: append(repo, path))
    line = (repo.root / path).read_text().count("\n") + 1
    with pytest.raises(
        ToolError, match=rf"^{path}:{line} changed while this command ran; nothing was written"
    ):
        generate.write_renderings(repo, environments)


@pytest.mark.parametrize("path", ["services/zopilot/service.yaml", LOCK_FILE, paths.PINNING])
def test_what_documents_rest_on_must_not_change_meanwhile(
    path: str, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_generating(monkeypatch, "expected_documents", lambda: append(repo, path))
    line = (repo.root / path).read_text().count("\n") + 1
    with pytest.raises(
        ToolError, match=rf"^{path}:{line} changed while this command ran; nothing was written"
    ):
        generate.write_documents(repo)
    assert (repo.root / path).read_text().endswith("edited\n")


def test_a_service_that_is_added_meanwhile_is_not_left_out(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_generating(
        monkeypatch,
        "expected_documents",
        lambda: shutil.copytree(ROOT / "services/lora", repo.root / "services/lora"),
    )
    with pytest.raises(
        ToolError, match=r"^services/lora/service\.yaml was added while this command ran; nothing was written"
    ):
        generate.write_documents(repo)


def test_a_command_after_an_edit_reads_it(repo: Repository) -> None:
    append(repo, paths.PINNING)
    generate.write_documents(repo)
    append(repo, paths.PINNING)
    generate.write_documents(repo)
    assert (repo.root / paths.PINNING).read_text().endswith("edited\nedited\n")
