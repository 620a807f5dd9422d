"""A new service beside the committed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.new_services import write_new_service
from torchpin import facts
from torchpin.commands import judge
from torchpin.commands.lock import lock
from torchpin.description.environments import select_environments
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {".torchpin", "__pycache__"} & {*path.parts}
    }


def test_a_sixth_service_touches_its_own_folder_only_and_locks_at_once(monorepo: Repository) -> None:
    before = tree(monorepo.root)
    write_new_service(monorepo, "whisper")
    after_scaffold = tree(monorepo.root)
    assert {path for path in {*before, *after_scaffold} if before.get(path) != after_scaffold.get(path)} == {
        "services/whisper/service.yaml", "services/whisper/smoke.py",
    }  # fmt: skip

    repo = workspace.reread(monorepo)
    environments = select_environments(repo.services, service="whisper")
    (outcome,) = lock(repo, environments, recorded=True)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    locked = workspace.read_lock(repo, environments[0])
    torch = locked.packages["torch"]
    assert torch.version == "2.8.0+cu126"
    assert torch.sha256 == facts.recorded_hash("cu126", torch.filename)
    after_lock = tree(monorepo.root)
    touched = {
        path for path in {*after_scaffold, *after_lock} if after_scaffold.get(path) != after_lock.get(path)
    }
    allowed = (
        "lockfiles/whisper-gpu/",
        "docker/whisper-gpu/",
        "records/whisper-gpu/",
        "docs/",
        "DEVIATIONS.md",
    )
    assert touched
    assert not [path for path in touched if not path.startswith(allowed)]
    assert not [result for result in judge.check(repo, environments, "LCK", "DKR", "DOC") if result.findings]
