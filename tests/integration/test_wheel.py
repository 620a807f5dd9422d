"""The wheel in an environment of its own, in a repository that is not torchpin's: everything that a command reads comes along."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import torchpin

if TYPE_CHECKING:
    from support.installed_wheel import Installed

pytestmark = pytest.mark.network


def test_the_archives_are_fit_for_an_index(installed: Installed, tmp_path: Path) -> None:
    version = torchpin.__version__
    assert [path.name for path in installed.archives] == [
        f"torchpin-{version}-py3-none-any.whl",
        f"torchpin-{version}.tar.gz",
    ]
    installed.run(
        tmp_path,
        *("uv", "tool", "run", "--from", "twine==7.0.0", "twine", "--no-color", "check", "--strict"),
        *map(str, installed.archives),
    )
    assert version in installed.run(tmp_path, "torchpin", "--version")


def test_outside_of_a_repository_a_command_says_what_comes_first(
    installed: Installed, tmp_path: Path, empty_repository: Path
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    output = installed.run(away, "torchpin", "judge", code=2)
    assert output.endswith("`torchpin init` makes a folder one\n")
    output = installed.run(Path("/"), "torchpin", "init", code=2)
    assert output == "/ is not in a git repository; run `git init` first, then this again\n"
    installed.run(empty_repository, "torchpin", "init")
    output = installed.run(empty_repository, "invoke", "verify", code=2)
    assert output == "there is no service yet; `invoke new --service NAME` writes one to start from\n"


def test_the_whole_way_in_a_repository_of_ones_own(installed: Installed, empty_repository: Path) -> None:
    root, below = empty_repository, empty_repository / "services" / "example"
    installed.run(root, "torchpin", "init", "--example")
    installed.run(root, "torchpin", "new", "--service", "whisper", "--torch", "2.8")
    installed.run(root, "invoke", "judge", "--service", "example")
    # before the first commit, and from a subfolder
    installed.run(below, "torchpin", "lock", "--recorded")
    installed.run(below, "torchpin", "render", "--check")
    (root / "DEVIATIONS.md").unlink()
    assert "done   DEVIATIONS.md\n" in installed.run(below, "torchpin", "document")
    results = json.loads(installed.run(root, "torchpin", "verify", "--service", "example", "--json"))[
        "results"
    ]
    assert {row["status"] for row in results} == {"ok", "not applicable", "skipped"}

    subprocess.run(("git", "-C", root, "add", "."), check=True)
    subprocess.run(("git", "-C", root, "commit", "--quiet", "--message", "a"), check=True)
    assert "whisper" in installed.run(root, "torchpin", "services")
    installed.run(root, "nox", "-s", "verify", "--", "--service", "example")
    assert "checked in the lab: 3 of 29 packages" in installed.run(
        root, "invoke", "build", "--service", "example", "--lab"
    )
    plan = installed.run(
        below, "torchpin", "bump", "torch==2.7.1", "--service", "example", "--dry-run", "--recorded"
    )
    assert re.search(r"^  torch: +2.8.0 -> 2.7.1 ", plan, re.MULTILINE)
    installed.run(root, "torchpin", "eject", "template")
    installed.run(root, "torchpin", "render", "--check")
    status = subprocess.run(
        ("git", "-C", root, "status", "--porcelain"), check=True, capture_output=True, text=True
    )
    assert status.stdout == "?? docker/Dockerfile.j2\n"
