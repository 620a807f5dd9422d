"""An update writes over what it knows, and over nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.bumps import bump_context, plans
from support.descriptions import LORA
from torchpin import paths
from torchpin.bump.predict import predict_lock
from torchpin.bump.target import parse_targets
from torchpin.commands import bump_steps
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError
from torchpin.workspace import hand_edits, workspace

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]
LOCK_FILE = "lockfiles/lora-gpu/02-training.requirements.txt"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A copy of this repository with lora as it was before its first update."""
    monkeypatch.setattr(hand_edits, "committed_texts", lambda *_: {})
    monkeypatch.setattr(bump_steps, "_author", lambda _: "somebody")
    for name in ("services", "lockfiles", "docker", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / paths.DEVIATIONS, tmp_path / paths.DEVIATIONS)
    (tmp_path / LORA).write_text(bump_context().texts[LORA])
    return workspace.open_repository(tmp_path)


def resolved_update(repo: Repository) -> bump_steps.ResolvedUpdate:
    target, context, planned = parse_targets("torch==2.7.1"), bump_context(), plans("torch==2.7.1")["lora"]
    (env,) = select_environments([planned.service_after])
    new_lock = predict_lock(env, context.locks[env.name])
    assert new_lock
    return bump_steps.ResolvedUpdate(
        targets=target, context=context, plans=(planned,), held={}, locks={env.name: new_lock}, outcomes=(),
        before=bump_steps._current_texts(repo, [planned]), started="2026-11-24T12:00:00Z",
    )  # fmt: skip


@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "while it was resolved"])
def test_a_file_of_somebody_under_the_name_of_a_lock_file_stays(repo: Repository, *, meanwhile: bool) -> None:
    (repo.root / LOCK_FILE).unlink()
    if not meanwhile:
        (repo.root / LOCK_FILE).write_text("tqdm==4.66.5\n# mine\n")
    update = resolved_update(repo)
    assert LOCK_FILE not in update.before
    (repo.root / LOCK_FILE).write_text("tqdm==4.66.5\n# mine\n")
    with pytest.raises(FindingsError, match=rf"\n{LOCK_FILE}:2: # mine\n"):
        bump_steps.write_update(repo, update, skip_build=True)
    assert (repo.text(LOCK_FILE), repo.text(LORA)) == ("tqdm==4.66.5\n# mine\n", bump_context().texts[LORA])
    bump_steps.write_update(repo, update, skip_build=True, overwrite=True)
    assert (repo.text(LOCK_FILE) or "").startswith("# torchpin lock of lora-gpu")


def test_an_update_writes_lock_files_that_there_were_none_of(repo: Repository) -> None:
    (repo.root / LOCK_FILE).unlink()
    bump_steps.write_update(repo, resolved_update(repo), skip_build=True)
    assert (repo.text(LOCK_FILE) or "").startswith("# torchpin lock of lora-gpu")
