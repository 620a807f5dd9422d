"""`adopt` on a project of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.command_line import ROOT, run_command, tree
from support.git_repositories import git

if TYPE_CHECKING:
    from pathlib import Path


def test_a_project_of_others_is_adopted_once(copy: Path) -> None:
    project = ROOT / "tests/adopt/training-unquoted"
    result = run_command(copy, "adopt", str(project), "--write", "services/voice")
    assert result.code == 0, result.output  # what is found in it fails `check` alone
    assert "error[ADO001] Dockerfile.gpu:6:27: " in result.err
    text = (copy / "services/voice/service.yaml").read_text(encoding="utf-8")
    assert "# Drafted from " in text
    assert "# Drafted from " not in result.output  # it is in the file, and not printed once more
    assert (copy / "services/voice/smoke.py").is_file()
    again = run_command(copy, "adopt", str(project), "--write", "services/voice")
    assert again.code == 0, again.output  # the draft is still what it was
    (copy / "services/voice/service.yaml").write_text(f"# mine\n{text}", encoding="utf-8")
    second = run_command(copy, "adopt", str(project), "--write", "services/voice")
    assert second.code == 2
    assert "exists and is not this draft; choose another name" in second.err
    assert (copy / "services/voice/service.yaml").read_text(encoding="utf-8").startswith("# mine\n")
    assert json.loads(run_command(copy, "adopt", str(project), "--json").out)["matches"][0]["id"] == "ADO012"


def test_a_service_is_removed_with_its_sections(copy: Path) -> None:
    outside_of_git = run_command(copy, "remove", "--service", "zopilot")
    assert outside_of_git.code == 1
    assert "services/zopilot/service.yaml: is in no git repository" in outside_of_git.err
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, *["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--message", "a"])
    before = {name: text for name, text in tree(copy).items() if ".torchpin" not in name}
    planned = run_command(copy, "remove", "--service", "zopilot", "--dry-run")
    assert planned.code == 0, planned.output
    assert "lockfiles/zopilot-gpu/00-torch.requirements.txt" in planned.output
    assert {name: text for name, text in tree(copy).items() if ".torchpin" not in name} == before
    removed = run_command(copy, "remove", "--service", "zopilot")
    assert removed.code == 0, removed.output
    assert not [
        name for name in tree(copy) if "zopilot" in name and not {"tests", ".torchpin"} & {name.split("/")[0]}
    ]
    assert run_command(copy, "document", "--check").code == 0


def test_a_description_that_is_gone_takes_no_section_along(copy: Path) -> None:
    for path in (copy / "services/zopilot").iterdir():
        path.unlink()
    before = tree(copy)
    result = run_command(copy, "document")
    assert result.code == 2, result.output
    assert "run `invoke remove --service zopilot`" in result.err
    check = run_command(copy, "document", "--check")
    assert check.code == 1, check.output
    assert "] DEVIATIONS.md:" in check.output
    assert (
        "help: restore services/zopilot/service.yaml, or run `invoke remove --service zopilot`"
        in check.output
    )
    assert {name: text for name, text in tree(copy).items() if ".torchpin" not in name} == before


def test_a_dangling_link_is_no_missing_service(copy: Path) -> None:
    (copy / "services/zopilot/service.yaml").unlink()
    (copy / "services/zopilot/service.yaml").symlink_to("../../gone.yaml")
    for command_line in ("judge", "document", "document --check", "services", "lock --check"):
        result = run_command(copy, *command_line.split())
        assert result.code == 2, (command_line, result.output)
        assert result.err.startswith(
            "services/zopilot/service.yaml: is a link to ../../gone.yaml, which does not exist"
        )
