"""Locks of the committed services: one under former names, and one for another platform than the builder's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.labs import OPTIONS
from torchpin.commands import build
from torchpin.commands.lock import lock
from torchpin.description.environments import select_environments
from torchpin.tools import process

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_a_lock_under_former_names_keeps_its_versions_and_moves(monorepo: Repository) -> None:
    environments = select_environments(monorepo.services, service="zopilot")
    folder = monorepo.root / "lockfiles/zopilot-gpu"
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    for path in [*folder.iterdir()]:
        path.rename(path.with_name(path.name.replace(".requirements.txt", ".txt")))
    (locked,) = lock(monorepo, environments, recorded=True)
    assert (locked.status, locked.code) == ("changed", 0), locked.detail
    assert "changed:" not in locked.detail
    assert {path.name: path.read_text() for path in folder.iterdir()} == texts


def test_arm64_locks_on_any_machine_and_builds_only_where_the_builder_has_it(monorepo: Repository) -> None:
    environments = select_environments(monorepo.services, service="coaxial", variant="arm64")
    (locked,) = lock(monorepo, environments, recorded=True)
    assert (locked.status, locked.code) == ("same", 0), locked.detail
    result = process.run(("docker", "buildx", "inspect"))
    if "linux/arm64" in result.stdout:
        pytest.skip("this builder has linux/arm64")
    (built,) = build.build(monorepo, environments, OPTIONS)
    assert (built.status, built.code) == ("failed", 3)
    assert built.detail.startswith("the builder does not support linux/arm64")
    assert "--builder" in built.detail
