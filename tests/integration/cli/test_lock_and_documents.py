"""The tasks for generated files on the committed repository: what is committed is fresh, and made again it is the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.command_line import DOCUMENTS, SERVICE_PAGES, run_command, run_process, tree
from torchpin.description.environments import select_environments
from torchpin.paths import SCHEMA, SERVICE_REFERENCE, TROUBLESHOOTING
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("task", ["lock", "render", "document"])
def test_what_is_committed_follows_from_the_description(task: str, committed: Path) -> None:
    before = tree(committed)
    result = run_process(committed, task, "--check")
    assert result.code == 0, result.output
    assert re.fullmatch(r"nothing is wrong: \d+ checks of 7 environments passed", result.out.splitlines()[-1])
    assert tree(committed) == before


def test_verify_says_everything_as_json(committed: Path) -> None:
    result = run_process(committed, "verify", "--json")
    assert result.code == 0, result.output
    rows = json.loads(result.out)["results"]
    status = {row["check"]: row["status"] for row in rows if row["environment"] == "lora-gpu"}
    assert status["LCK001"] == status["DKR001"] == status["DOC001"] == status["LCK005"] == "ok"
    assert (status["GPU001"], status["IMG001"], status["SRC004"]) == ("ok", "skipped", "skipped")
    assert {row["need"] for row in rows if row["status"] == "skipped"} <= {
        "bump",
        "docker",
        "clone",
        "record",
        "network",
        "gpu",
    }
    assert not {"incompatible", "failed", "warning"} & {*status.values()}


def test_documenting_again_changes_nothing(copy: Path) -> None:
    before = tree(copy)
    first = run_process(copy, "document")
    second = run_command(copy, "document")
    assert (first.code, second.code) == (0, 0), first.output
    assert first.out == second.out
    names = (*DOCUMENTS, SERVICE_REFERENCE, TROUBLESHOOTING, *SERVICE_PAGES, SCHEMA)
    assert sorted(line.split() for line in second.out.splitlines()) == sorted(
        ["same", name] for name in names
    )
    after = {name: content for name, content in tree(copy).items() if not name.startswith(".torchpin")}
    assert after == before


def test_rendering_again_changes_nothing(copy: Path) -> None:
    before = tree(copy)
    result = run_command(copy, "render")
    assert result.code == 0
    assert {line.split()[0] for line in result.out.splitlines()} == {"same"}
    after = {name: content for name, content in tree(copy).items() if not name.startswith(".torchpin")}
    assert after == before


@pytest.mark.parametrize("name", [*DOCUMENTS, SERVICE_PAGES[1]])
def test_prose_outside_the_markers_is_free(name: str, copy: Path) -> None:
    path = copy / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("This page", "Our own page\n\nThis page", 1) + "\nMore of ours.\n")
    before = tree(copy)
    assert run_command(copy, "document", "--check").code == 0
    assert tree(copy) == before
    result = run_command(copy, "document")
    assert result.code == 0
    assert path.read_text(encoding="utf-8").encode() == before[name]


def test_a_lock_exports_as_requirements_that_name_no_host_but_for_what_pypi_has_not(committed: Path) -> None:
    result = run_command(committed, "export", "--service", "lora")
    assert result.code == 0, result.output
    repo = workspace.open_repository(committed)
    (env,) = select_environments(repo.services, service="lora")
    packages = workspace.read_lock(repo, env).packages
    lines = [line for line in result.out.splitlines() if line and not line.lstrip().startswith("#")]
    names = {line.split("==")[0].split(" @ ")[0] for line in lines}
    assert names == {*packages}
    addresses = [line for line in lines if "://" in line]
    assert {line.split(" @ ")[0] for line in addresses} == {*env.service.torch.family}
    assert all(" @ https://download.pytorch.org/whl/cu128/" in line for line in addresses)
    assert all(package.sha256 in result.out for package in packages.values())
    assert "--index" not in result.out
    assert "--find-links" not in result.out


def test_a_service_without_a_smoke_test_says_what_to_write(copy: Path) -> None:
    (copy / "services/lora/smoke.py").unlink()
    result = run_command(copy, "render", "--check")
    assert result.code == 2
    assert result.err == (
        "services/lora/smoke.py is missing; it runs inside the image as its smoke test\n"
    )  # fmt: skip
