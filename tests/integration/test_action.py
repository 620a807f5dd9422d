"""The steps of action.yml, run one after the other as GitHub runs them: by bash, with its files and variables.

`gh` answers from a folder, since no test reaches GitHub; the steps that use other actions are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.git_repositories import git

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
# Keeps what is sent, and lists as comments what it has kept.
GH = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
words, kept = sys.argv[1:], pathlib.Path(os.environ["KEPT"])
sent = [word.partition("=@")[2] for word in words if word.startswith("body=@")]
if sent:
    number = words[words.index("PATCH") + 1].rpartition("/")[2] if "PATCH" in words else len(list(kept.iterdir())) + 1
    (kept / str(number)).write_text(pathlib.Path(sent[0]).read_text())
else:
    print(*(path.name for path in sorted(kept.iterdir())), sep="\\n")
"""


@dataclass(frozen=True)
class ActionRun:
    """What a run of the action left: the exit code of its last step, the log, the job's summary, and the comments."""

    code: int
    log: str
    summary: str
    comments: tuple[str, ...]


class Action:
    """The action for one repository, on a machine whose `gh` keeps comments in a folder."""

    def __init__(self, repository: Path, machine: Path) -> None:
        self.repository, self.machine = repository, machine
        programs = machine / "temp/torchpin/bin"
        for folder in (machine / "kept", machine / "bin", programs):
            folder.mkdir(parents=True)
        (machine / "bin/gh").write_text(GH, encoding="utf-8")
        (machine / "bin/gh").chmod(0o755)
        # the environment that the step of the installation makes; a test of its own runs that step
        (programs / "torchpin").symlink_to(Path(sys.executable).parent / "torchpin")

    def run(self, event: str = "pull_request", **inputs: str) -> ActionRun:
        values = {name: row.get("default", "") for name, row in ACTION["inputs"].items()} | inputs
        context = {
            **{f"inputs.{name}": value for name, value in values.items()},
            "github.event_name": event, "github.event.pull_request.number": "7", "github.token": "",
            "github.event.pull_request.base.sha": git(self.repository, "rev-parse", "HEAD~1"),
        }  # fmt: skip
        files = {
            name: self.machine / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")
        }
        files["GITHUB_STEP_SUMMARY"].write_text("", encoding="utf-8")
        log, code = "", 0
        for step in ACTION["runs"]["steps"]:
            if "run" not in step or "Install" in step["name"] or not holds(step.get("if", ""), context):
                continue
            files["GITHUB_OUTPUT"].write_text("", encoding="utf-8")
            result = self._run_step(step, context, files)
            log, code = log + result.stdout + result.stderr, result.returncode
            for line in files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                context[f"steps.{step['id']}.outputs.{name}"] = value
            if code:
                break
        comments = tuple(
            path.read_text(encoding="utf-8") for path in sorted((self.machine / "kept").iterdir())
        )
        return ActionRun(code, log, files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"), comments)

    def _run_step(
        self, step: Mapping[str, Any], context: Mapping[str, str], files: Mapping[str, Path]
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, **{name: str(path) for name, path in files.items()},
            **{name: filled(str(value), context) for name, value in step.get("env", {}).items()},
            "PATH": f"{self.machine / 'bin'}:{os.environ['PATH']}", "RUNNER_TEMP": str(self.machine / "temp"),
            "GITHUB_REPOSITORY": "owner/name", "GITHUB_ACTION_PATH": str(ROOT), "KEPT": str(self.machine / "kept"),
        }  # fmt: skip
        # as GitHub calls bash for `shell: bash`
        return subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            cwd=self.repository, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip


def filled(text: str, context: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: context.get(match[1], ""), text)


def holds(condition: str, context: Mapping[str, str]) -> bool:
    """Whether a step's condition holds: comparisons with texts, joined by `&&`."""
    for part in filter(None, condition.split(" && ")):
        name, sign, value = part.split(" ")
        if (context.get(name, "") == value.strip("'")) != (sign == "=="):
            return False
    return True


@pytest.fixture
def action(tmp_path: Path) -> Action:
    """Of a clone of this repository with a change on top: another channel for `lora`."""
    repository = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", ROOT.as_uri(), str(repository))
    path = repository / "services/lora/service.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("cu128", "cu121"), encoding="utf-8")
    git(
        repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-am", "another channel"
    )
    (tmp_path / "machine").mkdir()
    return Action(repository, tmp_path / "machine")


def test_a_pin_that_cannot_work_annotates_its_line_and_fails(action: Action) -> None:
    run = action.run(verify="false")
    assert run.code == 1
    assert "::error file=services/lora/service.yaml,line=" in run.log
    assert "TOR001" in run.summary
    assert run.comments == ()


def test_a_pull_request_has_one_comment_that_is_written_over(action: Action) -> None:
    for _ in range(2):
        run = action.run(judge="false", verify="false", diff="true")
        assert run.code == 0, run.log
        (comment,) = run.comments
        assert comment.startswith("<!-- torchpin diff -->\n### lora-gpu\n")
        assert "| channel | cu128 | cu121 |" in comment
    assert action.run("push", judge="false", verify="false", diff="true").log == ""


def test_findings_of_files_go_to_a_sarif_file(action: Action) -> None:
    (action.repository / "Dockerfile").write_text(
        "FROM python:3.12\nRUN pip install torch>=2.5\n", encoding="utf-8"
    )
    run = action.run(judge="false", verify="false", check="Dockerfile", sarif="true")
    assert run.code == 1
    assert "ADO001" in (action.machine / "temp/torchpin-check.sarif").read_text(encoding="utf-8")
    assert "ADO001" in run.summary


def test_findings_of_a_baseline_do_not_fail(action: Action) -> None:
    (action.repository / "Dockerfile").write_text(
        "FROM python:3.12\nRUN pip install torch>=2.5\n", encoding="utf-8"
    )
    check = (Path(sys.executable).parent / "torchpin", "check", "Dockerfile")
    subprocess.run(
        (*check, "--baseline", "known.json", "--write-baseline"),
        cwd=action.repository, check=False, capture_output=True, timeout=120,
    )  # fmt: skip
    known = action.run(judge="false", verify="false", check="Dockerfile", baseline="known.json")
    assert known.code == 0, known.log
    assert action.run(judge="false", verify="false", check="Dockerfile").code == 1


def test_what_is_out_of_date_fails_in_verify(action: Action) -> None:
    run = action.run(judge="false")
    assert run.code == 1
    assert "LCK" in run.log


@pytest.mark.network
def test_the_action_installs_the_locked_packages(tmp_path: Path) -> None:
    (step,) = [step for step in ACTION["runs"]["steps"] if "Install" in step.get("name", "")]
    clone = tmp_path / "action"
    git(tmp_path, "clone", "--quiet", ROOT.as_uri(), str(clone))
    environment = {
        **os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(clone),
    }  # fmt: skip
    command = ("bash", "-eo", "pipefail", "-c", step["run"])
    subprocess.run(command, env=environment, check=True, timeout=300)
    subprocess.run(
        (tmp_path / "torchpin/bin/torchpin", "judge"), cwd=ROOT, check=True, capture_output=True, timeout=120
    )
