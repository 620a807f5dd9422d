"""A bump of several pins on the command line, with real uv, in a service that is called like one of its packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.command_line import run_command, run_process, tree
from torchpin import paths
from torchpin.workspace import workspace
from torchpin.workspace.bumps import read_bumps

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = """\
name: rich
summary: Tables on a terminal
python: "3.12.11"
base: {image: "debian:12", rationale: "Small."}
torch: {version: "2.8.0", companions: {}}
variants:
  cpu: {channel: cpu, platform: linux/amd64}
layers:
  - name: tables
    packages:
      - rich==14.0.0
      - markdown-it-py==3.0.0
      - tqdm==4.66.5
imports: [torch, rich]
recommends:
  - {component: tqdm, says: "4.66.5"}
  - {component: rich, says: "14.0.0"}
waivers:
  - {check: BAS002, about: "debian:12", reason: "A test.", review_by: 2027-01-01}
"""
FILE = "services/rich/service.yaml"
RECORDED = ("--recorded", "--no-build", "--yes")

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def locked(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the service, locked; outside of git. No test changes it."""
    root = tmp_path_factory.mktemp("locked") / "repository"
    shutil.copytree(committed, root)
    (root / FILE).parent.mkdir()
    (root / FILE).write_text(DESCRIPTION)
    (root / paths.smoke_path("rich")).write_text('"""A smoke test."""\n')
    result = run_command(root, "lock", "--service", "rich", "--recorded")
    assert result.code == 0, result.output
    return root


def state(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(root).items() if not name.startswith(".torchpin")}


def test_two_pins_are_one_update_with_one_entry_and_one_undo(locked: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(locked, root)
    before, words = state(root), ("bump", "rich==14.1.0", "tqdm==4.67.1", "--service", "rich")
    planned = run_command(root, *words, "--recorded", "--dry-run")
    assert planned.code == 0, planned.output
    assert "service rich: planned changes\n" in planned.out
    assert "  resolution: resolved by uv: " in planned.out
    assert "  needs a reason: `--reason tqdm=TEXT`\n" in planned.out
    assert state(root) == before

    result = run_command(root, *words, *RECORDED, "--reason", "both are wanted", "--reason", "tqdm=a fix")
    assert result.code == 1, result.output
    assert (
        "to do  service rich  rich 14.1.0 deviates; recommended: 14.0.0 (report); accept it by" in result.out
    )
    repo = workspace.open_repository(root)
    (entry,) = [row for row in read_bumps(repo) if "rich" in row.services]
    assert (entry.bump, entry.why) == ("rich==14.1.0 tqdm==4.67.1", "both are wanted")
    assert entry.services["rich"].pins == ("rich 14.0.0 -> 14.1.0", "tqdm 4.66.5 -> 4.67.1")
    text = (root / FILE).read_text()
    assert ("- rich==14.1.0\n" in text, "- tqdm==4.67.1\n" in text) == (True, True)
    assert ("because: a fix\n" in text, "both are wanted" in text) == (True, False)

    again = run_process(root, *words, *RECORDED)
    assert (again.code, again.out) == (
        0, "service rich: nothing to change: rich is already at 14.1.0; tqdm is already at 4.67.1\n",
    )  # fmt: skip
    assert run_command(root, "bump", "--undo").code == 0
    assert state(root) == before


def without_steps(text: str) -> str:
    """The lines of stderr but for those about running steps."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("rich-cpu: resolving")
    )


def test_pins_without_a_solution_are_a_finding_with_what_would_free_them(locked: Path) -> None:
    before = state(locked)
    words = ("bump", "tqdm==4.67.1", "markdown-it-py==1.1.0", "--service", "rich")
    result = run_command(locked, *words, *RECORDED)
    assert (result.code, state(locked)) == (1, before), result.output
    sentence, uv_text = without_steps(result.err).split("\n", 1)
    assert sentence == (
        "service rich: rich==14.0.0 requires markdown-it-py>=2.2.0, and markdown-it-py==1.1.0 is pinned "
        "(services/rich/service.yaml:12:9); move markdown-it-py to >=2.2.0 or leave markdown-it-py where it is"
    )
    assert "rich==14.0.0 depends on markdown-it-py>=2.2.0 and rich-service depends on" in uv_text
    assert uv_text.endswith("nothing was changed\n")


def test_a_version_that_does_not_exist_is_named_before_anything_is_said_to_move(locked: Path) -> None:
    result = run_command(locked, "bump", "tqdm==9.9.9", "--service", "rich", "--dry-run", "--recorded")
    assert (result.code, "planned changes" in result.out) == (1, False), result.output
    assert without_steps(result.err).startswith(
        "service rich: the index has no tqdm==9.9.9; choose a version of tqdm that exists\n"
    )


def test_a_clone_is_not_made_before_anybody_has_agreed(locked: Path) -> None:
    result = run_command(locked, "bump", "sd-scripts@v0.10.1", "--service", "lora", "--dry-run")
    assert result.code == 0, result.output
    assert "  resolution: unknown, by facts alone: sd-scripts v0.10.1 has to be cloned first\n" in result.out
    assert not (locked / "third_party").exists()


def test_a_python_that_nobody_knows_is_refused(committed: Path) -> None:
    result = run_command(committed, "bump", "python==3.12.99", "--dry-run", "--offline")
    assert (result.code, result.out) == (2, "")
    assert "does not know Python 3.12.99; the newest of 3.12 is 3.12." in result.err
