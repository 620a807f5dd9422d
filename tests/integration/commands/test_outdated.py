"""What is newer: PyPI asked by real uv, and the recorded facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, LOCK, open_repository, read_environment, write_service
from torchpin.commands import outdated
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError
from torchpin.queries.outdated import outdated_lines
from torchpin.tools import uv_audit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_tools")


@pytest.mark.network
def test_pypi_is_asked_for_what_fits_the_described_python(root: Path) -> None:
    repo = open_repository(root)
    (outlook,) = outdated.outlooks(repo, select_environments(repo.services))
    packages = {update.name: update.to for update in outlook.updates if update.kind == "package"}
    assert packages["jinja2"].startswith("3.1.")
    assert "torch" not in packages
    newest = uv_audit.newest_versions({"a": (read_environment(DESCRIPTION), ["numpy"])}, repo.settings)
    assert newest["a"]["numpy"].startswith("2.2.")  # the last series for Python 3.10


def test_offline_the_facts_alone_are_told(root: Path) -> None:
    repo = open_repository(root, pypi="http://127.0.0.1:9/simple")
    outlooks = outdated.outlooks(repo, select_environments(repo.services), offline=True)
    assert {update.kind for update in outlooks[0].updates} == {"torch"}
    lines = outdated_lines(outlooks)
    assert lines[0].startswith("lora-gpu: ")
    assert "  note: PyPI was not queried" in lines


def test_pypi_out_of_reach_is_a_failure_of_the_tool(root: Path) -> None:
    repo = open_repository(root, pypi="http://127.0.0.1:9/simple")
    with pytest.raises(ToolError, match="use --offline to leave them out"):
        outdated.outlooks(repo, select_environments(repo.services))


def test_what_all_later_releases_of_torch_open_is_told_once(root: Path) -> None:
    description = DESCRIPTION + 'recommends:\n  - {component: torch, says: "2.5.x"}\n'
    write_service(root, description)
    repo = open_repository(root)
    lines = outdated_lines(outdated.outlooks(repo, select_environments(repo.services), offline=True))
    assert lines.count("  every later torch: new finding: report says 2.5.x") == 1


def test_without_a_lock_there_is_nothing_to_move(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    repo = open_repository(root)
    with pytest.raises(InputError, match=r"lora-gpu: no lock; run `invoke lock --service lora`"):
        outdated.outlooks(repo, select_environments(repo.services), offline=True)
