"""The side by side of the corpus: answers of peers are read as findings, and counted by the same measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from adopt.corpus import load_projects
from adopt.tool import Found

from adopt import peers

if TYPE_CHECKING:
    from pathlib import Path

PROJECTS = {project.name: project for project in load_projects()}


def found(rule: str, file: str, level: str = "warning") -> Found:
    return Found(rule=rule, level=level, file=file, line=1, message="")


def test_answers_are_read_with_their_rules_and_levels() -> None:
    hadolint = [{"file": "./a/Dockerfile", "line": 2, "level": "style", "code": "DL3059", "message": "m"}]
    row = {"location": {"start": {"line": 3}}, "severity": "error", "rule": "tally/x", "message": "m"}
    tally = {"files": [{"file": "a/Dockerfile", "violations": [row]}]}
    doctor = [
        ["a/Dockerfile", 4, "warning", "Pinned torch==2.8.0 differs"],
        ["a/Dockerfile", 0, "info", "other things"],
    ]
    assert [*peers._read_hadolint(hadolint)] == [
        Found(rule="DL3059", level="notice", file="a/Dockerfile", line=2, message="m")
    ]
    assert [(row.rule, row.level, row.line) for row in peers._read_tally(tally)] == [("tally/x", "error", 3)]
    assert [(row.rule, row.level) for row in peers._read_env_doctor(doctor)] == [
        ("Pinned", "warning"),
        ("other", "notice"),
    ]


def test_a_trap_is_named_in_its_file_by_a_rule_of_its_kind() -> None:
    project = PROJECTS["redirect-upper"]
    assert peers.names_trap("hadolint", project, [found("SC2210", "redirect-upper/Dockerfile")])
    assert not peers.names_trap("hadolint", project, [found("DL3006", "redirect-upper/Dockerfile")])
    assert not peers.names_trap("hadolint", project, [found("SC2210", "another/Dockerfile")])
    assert not peers.names_trap("torchpin", project, [found("SC2210", "redirect-upper/Dockerfile")])


def test_an_alarm_is_a_warning_or_an_error_in_the_project() -> None:
    project = PROJECTS["cuda-venv-index"]
    for rule, level, of_any, of_subjects in (
        ("DL3008", "warning", True, False),
        ("DL3006", "warning", True, True),
        ("DL3006", "notice", False, False),
    ):
        rows = [found(rule, "cuda-venv-index/Dockerfile", level)]
        assert peers.has_alarm("hadolint", project, rows, of_subjects=False) is of_any
        assert peers.has_alarm("hadolint", project, rows, of_subjects=True) is of_subjects


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Dockerfile.gpu", True), ("serve.dockerfile", True), ("Containerfile", True), ("uv.lock", False)],
)
def test_dockerfiles_are_known_by_their_names(tmp_path: Path, name: str, expected: bool) -> None:
    path = tmp_path / name
    path.write_text("")
    assert peers.is_dockerfile(path) is expected


def test_the_table_counts_each_kind_and_all() -> None:
    projects = [PROJECTS["redirect-upper"], PROJECTS["cuda-venv-index"]]
    quiet = peers.Run(findings=(), seconds=0.5)
    named = peers.Run(findings=(found("ADO001", "redirect-upper/Dockerfile"),), seconds=1.0)
    runs = {tool: named if tool == "torchpin" else quiet for tool in peers.TOOLS}
    lines = peers.table(runs, projects)
    assert "| redirect | 1 | 1 | 0 | 0 | 0 |" in lines
    assert "| **all traps** | 1 | **1** | **0** | **0** | **0** |" in lines
    assert lines[-1] == "| CPU seconds, all files |  | 1.0 | 0.5 | 0.5 | 0.5 |"
