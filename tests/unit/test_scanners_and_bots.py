"""Scanners find every lock file by its name, update bots leave them alone, and workflows run actions at commits."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from torchpin import paths

ROOT = Path(__file__).parents[2]
LOCK_FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"{paths.LOCKFILES}/*/*{paths.lock_file('')}")
)
FORMER_NAME = f"{paths.LOCKFILES}/lora-gpu/00-torch.txt"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
# The rules of each, from their sources: syft's Python cataloger (which grype uses), osv-scalibr's extractor of
# requirements (which osv-scanner uses), and the pip_requirements manager of Renovate.
SYFT = "*requirements*.txt"
RENOVATE = re.compile(r"(^|/)[\w-]*requirements([-._]\w+)?\.(txt|pip)$")


def read_yaml(name: str) -> dict[str, Any]:
    values = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values


def is_osv_scanners(path: str) -> bool:
    return path.endswith(".txt") and "requirements" in PurePosixPath(path).name


def trivy_patterns() -> list[str]:
    rows: list[str] = read_yaml("trivy.yaml")["scan"]["file-patterns"]
    return [row.removeprefix("pip:") for row in rows if row.startswith("pip:")]


def is_excluded(path: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def renovate_patterns() -> list[str]:
    patterns: list[str] = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))["ignorePaths"]
    return patterns


def dependabot_updates(ecosystem: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = read_yaml(".github/dependabot.yml")["updates"]
    (row,) = [row for row in rows if row["package-ecosystem"] == ecosystem]
    return row


def test_there_are_lock_files() -> None:
    assert len(LOCK_FILES) > 40
    assert {path.split("/")[1] for path in LOCK_FILES} >= {"coaxial-arm64", "lora-gpu", "seedvr-gpu"}


@pytest.mark.parametrize("path", LOCK_FILES)
def test_scanners_find_a_lock_file_by_its_name(path: str) -> None:
    assert fnmatchcase(PurePosixPath(path).name, SYFT)
    assert is_osv_scanners(path)
    assert any(re.search(pattern, path) for pattern in trivy_patterns())


def test_scanners_did_not_find_it_by_its_former_name() -> None:
    assert not fnmatchcase(PurePosixPath(FORMER_NAME).name, SYFT)
    assert not is_osv_scanners(FORMER_NAME)
    assert not any(re.search(pattern, FORMER_NAME) for pattern in trivy_patterns())


def test_by_name_alone_a_bot_would_take_a_layer_that_is_called_requirements() -> None:
    taken = [path for path in LOCK_FILES if RENOVATE.search(path)]
    assert taken == ["lockfiles/zopilot-gpu/03-requirements.requirements.txt"]


@pytest.mark.parametrize("path", [*LOCK_FILES, "requirements/run.txt", "tests/before/lockfiles/a.txt"])
def test_update_bots_leave_alone_what_commands_write(path: str) -> None:
    assert is_excluded(path, renovate_patterns())
    assert is_excluded(path, dependabot_updates("pip")["exclude-paths"])


def test_update_bots_leave_generated_dockerfiles_alone_and_see_the_rest() -> None:
    assert is_excluded("docker/lora-gpu/Dockerfile", renovate_patterns())
    for path in ("pyproject.toml", ".github/workflows/lint.yml"):
        assert not is_excluded(path, renovate_patterns())
    assert dependabot_updates("pip")["ignore"] == [{"dependency-name": "*"}]
    assert "exclude-paths" not in dependabot_updates("github-actions")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_actions_run_at_the_commit_of_a_release(workflow: Path) -> None:
    lines = [line for line in workflow.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not is_pinned(line)] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    used = {
        line.partition("uses:")[2].strip()
        for workflow in WORKFLOWS
        for line in workflow.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    }
    assert len(used) == len({text.partition("@")[0] for text in used})


def is_pinned(line: str) -> bool:
    """Whether a step runs an action of GitHub at a full commit, with the release's tag beside it."""
    return bool(re.fullmatch(r"\s+(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line))


@pytest.mark.parametrize(
    "reference",
    [
        "actions/checkout@v4",
        "actions/checkout@v4.2.2",
        "actions/checkout@11bd719 # v4.2.2",
        f"actions/checkout@{'a' * 40}",
    ],
)
def test_a_tag_or_a_short_commit_is_no_pin(reference: str) -> None:
    assert not is_pinned(f"      - uses: {reference}")
    assert is_pinned(f"      - uses: actions/checkout@{'a' * 40} # v4.2.2")
