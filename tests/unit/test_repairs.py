"""Safe repairs are made, judged again, and written only if they are better."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.checks import rules
from torchpin.commands import fix, judge
from torchpin.description import environments as description_environments
from torchpin.errors import InputError
from torchpin.model import Change, Finding
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

assert rules  # importing it registers the checks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository whose one service is lora's seed."""
    for name in ("docker", "src/torchpin/facts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "services/lora").mkdir(parents=True)
    shutil.copy(ROOT / "tests/seeds/lora.yaml", tmp_path / "services/lora/service.yaml")
    return workspace.opened(tmp_path)


def text(repo: Repository) -> str:
    return repo.text("services/lora/service.yaml") or ""


def open_(repo: Repository) -> list[tuple[str, str]]:
    results = judge.judge(repo, description_environments.environments(repo.services))
    return sorted({(row.check, one.about) for row in results for one in row.findings})


def test_what_facts_alone_decide_is_repaired_and_nothing_else(repo: Repository) -> None:
    before, found = text(repo), open_(repo)
    made = fix.repair(repo, description_environments.environments(repo.services))
    after = workspace.opened(repo.root)
    assert [one.file for one in made] == ["services/lora/service.yaml"]
    assert "  digest: sha256:21196d81" in text(after)
    assert "accelerate==0.26.0" in text(after)
    ended = {*found} - {*open_(after)}
    assert ("BAS002", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04") in ended
    assert {*open_(after)} <= {*found}
    kept = [line for line in before.splitlines() if line in text(after).splitlines()]
    assert len(before.splitlines()) - len(kept) <= 3


def test_a_second_repair_has_nothing_to_do(repo: Repository) -> None:
    fix.repair(repo, description_environments.environments(repo.services))
    after = workspace.opened(repo.root)
    before = text(after)
    again = fix.repair(after, description_environments.environments(after.services))
    assert (again, text(workspace.opened(repo.root))) == ((), before)


def test_a_repair_that_brings_another_finding_is_not_written(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = text(repo)
    real = judge.judge

    def wrong(one: Finding) -> Finding:
        return replace(one, repair=(Change(path="torch.version", value="2.6.0"),)) if one.safe else one

    def worse(repo: Repository, environments: Sequence[Environment]) -> tuple[Result, ...]:
        return tuple(
            replace(row, findings=tuple(map(wrong, row.findings))) for row in real(repo, environments)
        )

    monkeypatch.setattr(judge, "judge", worse)
    with pytest.raises(InputError, match="nothing was written"):
        fix.repair(repo, description_environments.environments(repo.services))
    assert text(repo) == before
