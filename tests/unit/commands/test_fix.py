"""Safe fixes are applied, judged again, and written only if they are better."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.checks import families
from torchpin.commands import fix, judge
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Change, Environment, Finding
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Result
    from torchpin.workspace.workspace import Repository

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository whose one service is lora's seed."""
    for name in ("docker", "src/torchpin/facts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "services/lora").mkdir(parents=True)
    shutil.copy(ROOT / "tests/seeds/lora.yaml", tmp_path / "services/lora/service.yaml")
    return workspace.open_repository(tmp_path)


def text(repo: Repository) -> str:
    return repo.text("services/lora/service.yaml") or ""


def open_findings(repo: Repository) -> list[tuple[str, str]]:
    results = judge.judge(repo, select_environments(repo.services))
    return sorted({(result.check, finding.about) for result in results for finding in result.findings})


def test_what_facts_alone_decide_is_repaired_and_nothing_else(repo: Repository) -> None:
    text_before, open_before = text(repo), open_findings(repo)
    fixed_files = fix.apply_safe_fixes(repo, select_environments(repo.services))
    after = workspace.open_repository(repo.root)
    assert [fixed_file.file for fixed_file in fixed_files] == ["services/lora/service.yaml"]
    assert "  digest: sha256:21196d81" in text(after)
    assert "accelerate==0.26.0" in text(after)
    resolved = {*open_before} - {*open_findings(after)}
    assert ("BAS002", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04") in resolved
    assert {*open_findings(after)} <= {*open_before}
    unchanged_lines = [line for line in text_before.splitlines() if line in text(after).splitlines()]
    assert len(text_before.splitlines()) - len(unchanged_lines) <= 3


def test_a_second_fix_has_nothing_to_do(repo: Repository) -> None:
    fix.apply_safe_fixes(repo, select_environments(repo.services))
    after = workspace.open_repository(repo.root)
    before = text(after)
    second_fix = fix.apply_safe_fixes(after, select_environments(after.services))
    assert (second_fix, text(workspace.open_repository(repo.root))) == ((), before)


def test_a_repair_that_brings_another_finding_is_not_written(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = text(repo)
    real_judge = judge.judge

    def wrong(finding: Finding) -> Finding:
        return (
            replace(finding, fix=(Change(path="python", value="3.14.0"),)) if finding.fix_is_safe else finding
        )

    def worse(repo: Repository, environments: Sequence[Environment]) -> tuple[Result, ...]:
        return tuple(
            replace(result, findings=tuple(map(wrong, result.findings)))
            for result in real_judge(repo, environments)
        )

    monkeypatch.setattr(judge, "judge", worse)
    with pytest.raises(
        InputError,
        match=r"^the fixes leave or cause .*; nothing was written; fix the description by hand$",
    ):
        fix.apply_safe_fixes(repo, select_environments(repo.services))
    assert text(repo) == before


def test_a_place_for_which_findings_propose_different_values_is_left_to_people(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ABI003 and the import of triton.ops ask for one bitsandbytes on cu128; with another of ABI003 they are at odds."""
    real_judge = judge.judge

    def other(finding: Finding) -> Finding:
        return replace(
            finding, fix=tuple(replace(change, value="bitsandbytes==0.45.5") for change in finding.fix)
        )

    def at_odds(repo: Repository, environments: Sequence[Environment]) -> tuple[Result, ...]:
        return tuple(
            replace(result, findings=tuple(map(other, result.findings)))
            if result.check == "ABI003"
            else result
            for result in real_judge(repo, environments)
        )

    monkeypatch.setattr(judge, "judge", at_odds)
    file = repo.root / "services/lora/service.yaml"
    changed = text(repo).replace('version: "2.5.1"', 'version: "2.7.1"').replace("cu121", "cu128")
    changed = changed.replace('torchaudio: "2.5.1"', 'torchaudio: "2.7.1"')
    file.write_text(changed.replace('torchvision: "0.20.1"', 'torchvision: "0.22.1"'))
    opened = workspace.open_repository(repo.root)
    proposed = {
        (result.check, str(change.value))
        for result in judge.judge(opened, select_environments(opened.services))
        for finding in result.findings
        for change in finding.fix
        if "bitsandbytes" in str(change.value)
    }
    assert len({value for _, value in proposed}) > 1
    before = next(line for line in text(opened).splitlines() if "bitsandbytes" in line)
    fix.apply_safe_fixes(opened, select_environments(opened.services))
    assert before in text(workspace.open_repository(repo.root))
