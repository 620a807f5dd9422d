"""A lock is written over what it was made from, and over nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin import paths
from torchpin.commands import lock
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError
from torchpin.workspace import hand_edits, workspace, writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(hand_edits, "_committed_texts", lambda *_: None)
    for name in ("services", "lockfiles", "docker", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / paths.DEVIATIONS, tmp_path / paths.DEVIATIONS)
    return workspace.open_repository(tmp_path)


def lock_lora(repo: Repository, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Locks lora as it is locked already; `meanwhile` stands for what others do while it is resolved."""
    environments = select_environments(repo.services, service="lora")
    locks = {env.name: workspace.read_lock(repo, env) for env in environments}

    def resolve_all(*_: object, **__: object) -> tuple[tuple[Outcome, ...], dict[str, object]]:
        meanwhile()
        return (), {**locks}

    monkeypatch.setattr(lock, "resolve_all", resolve_all)
    lock.lock(repo, environments)


@pytest.mark.parametrize(
    "path",
    ["services/lora/service.yaml", "services/zopilot/service.yaml", "services/lora/smoke.py",
     "lockfiles/lora-gpu/02-training.txt"],
)  # fmt: skip
def test_what_a_lock_rests_on_must_not_change_meanwhile(
    path: str, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = (repo.text(path) or "") + "# edited\n"
    with pytest.raises(
        ToolError,
        match=rf"^{path} changed while this command ran; nothing was written, run the command again",
    ):
        lock_lora(repo, monkeypatch, lambda: (repo.root / path).write_text(edited))
    assert repo.text(path) == edited


def test_a_file_of_somebody_in_the_folder_of_a_lock_stays(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = repo.root / "lockfiles/lora-gpu/notes.txt"
    notes.write_text("my notes\n")
    lock_lora(repo, monkeypatch, lambda: None)
    assert notes.read_text() == "my notes\n"


def test_a_lock_is_kept_out_while_an_update_of_its_service_runs(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SERVICE_PATIENCE", 0)
    lock_lora(repo, monkeypatch, lambda: None)
    with (
        writer.exclusive_services(repo, ["lora"]),
        pytest.raises(ToolError, match=r"^another torchpin command is bumping lora in this repository; try"),
    ):
        lock_lora(repo, monkeypatch, lambda: None)
    with writer.exclusive_services(repo, ["zopilot"]):
        lock_lora(repo, monkeypatch, lambda: None)
