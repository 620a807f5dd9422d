"""`check` as people call it: in a folder outside of any repository of services, by files, by standard input, in a CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT, CommandResult
from support.git_repositories import git

if TYPE_CHECKING:
    from pathlib import Path

DOCKERFILE = """\
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu126
COPY requirements.txt .
RUN pip install -r requirements.txt
RUN pip install xformers lightning>=2.0
"""


def torchpin(folder: Path, *arguments: str, text: str | None = None) -> CommandResult:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        (sys.executable, "-m", "torchpin", *arguments),
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60, input=text,
    )  # fmt: skip
    return CommandResult(result.returncode, result.stdout, result.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "requirements.txt").write_text("tqdm\neinops==0.8.1\n")
    return folder


def test_a_project_is_checked_fixed_and_clean(project: Path) -> None:
    result = torchpin(project, "check")
    assert result.code == 1, result.output
    lines = result.out.splitlines()
    assert lines[0].startswith("error[ADO003] Dockerfile:5:17: `xformers` is not pinned")
    assert lines[-1] == "2 errors, 3 packages without a version; `torchpin check --fix` corrects 2"
    assert "warning[ADO012] requirements.txt: 1 of 2 packages without a version" in lines
    shown = torchpin(project, "check", "--diff")
    assert (shown.code, (project / "Dockerfile").read_text()) == (1, DOCKERFILE)
    patch = subprocess.run(
        ("git", "apply", "--check"), cwd=project, input=shown.out.partition("would be fixed")[0],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert patch.returncode == 0, patch.stderr
    fixed = torchpin(project, "check", "--fix")
    assert fixed.code == 0, fixed.output
    assert "RUN pip install xformers==0.0.31.post1 'lightning>=2.0'\n" in (project / "Dockerfile").read_text()
    assert sorted(path.name for path in project.iterdir()) == ["Dockerfile", "requirements.txt"]


def test_ci_gets_an_exit_code_and_a_document(project: Path) -> None:
    document = json.loads(torchpin(project, "check", "--json", "Dockerfile").out)
    assert {row["file"] for row in document["findings"]} == {"Dockerfile", "requirements.txt"}
    sarif = json.loads(torchpin(project, "check", "--sarif").out)
    assert {row["ruleId"] for row in sarif["runs"][0]["results"]} == {"ADO001", "ADO003", "ADO012"}
    assert torchpin(project, "check", "--github").out.startswith(
        "::error file=Dockerfile,line=5,col=17,title=ADO003::"
    )
    assert torchpin(project, "check", "--select", "ADO012").code == 0
    assert torchpin(project, "check", "--select", "ADO012", "--fail-on", "warning").code == 1
    assert torchpin(project, "check", "--baseline", "known.json", "--write-baseline").code == 0
    assert torchpin(project, "check", "--baseline", "known.json", "--fail-on", "warning").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone/Dockerfile",), "gone/Dockerfile does not exist"),
        (("--select", "ADO03"), "did you mean"),
        (("--fail-on", "never"), "--fail-on"),
        (("--json", "--sarif"), "mutually exclusive"),
        (("--baseline", "gone.json"), "gone.json does not exist"),
    ],
)
def test_what_cannot_run_ends_with_2(project: Path, arguments: tuple[str, ...], message: str) -> None:
    result = torchpin(project, "check", *arguments)
    assert result.code == 2, result.output
    assert message in result.err


def test_an_editor_pipes_what_is_not_saved_yet(project: Path) -> None:
    text = DOCKERFILE.replace(" xformers lightning>=2.0", " xformers==0.0.31")
    result = torchpin(project, "check", "-", "--stdin-filename", "Dockerfile", text=text)
    assert (result.code, result.out.splitlines()[-1]) == (0, "1 package without a version")


def test_what_git_ignores_is_passed_over(project: Path) -> None:
    git(project, "init", "--quiet")
    (project / ".gitignore").write_text("build/\n")
    (project / "build").mkdir()
    (project / "build/Dockerfile").write_text("FROM ubuntu\n")
    result = torchpin(project, "check", "--select", "ADO006", "--fail-on", "warning")
    assert (result.code, result.out) == (0, "no findings\n")
    assert torchpin(project, "check", "build/Dockerfile", "--fail-on", "warning").code == 1
