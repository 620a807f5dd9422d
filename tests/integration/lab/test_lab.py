"""A lab is for Linux, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.labs import ROOT, build_environment
from torchpin.commands import lock
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError
from torchpin.lab import docker_engine, lab
from torchpin.tools import docker, uv_install
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("platform", ["macos/arm64", ""])
def test_the_lab_says_plainly_that_it_is_for_linux(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: platform)
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services, service="lora")
    with (
        pytest.raises(ToolError, match="its stubs are Linux wheels"),
        lab.open_lab(repo, environments, docker=False, show_status=lambda _: None),
    ):
        pytest.fail("a lab was opened")


@pytest.mark.docker
@pytest.mark.network
def test_the_lab_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    repo = workspace.open_repository(ROOT)
    with docker.engine() as client:
        before = {*docker_engine.list_tags(client, "")}, docker_engine.build_cache_ids(client)
    with lab.open_lab(
        repo, select_environments(repo.services, service="lora"), show_status=lambda _: None
    ) as opened_lab:
        assert opened_lab.has_docker
        assert not any(outcome.code for outcome in lock.lock(opened_lab.repo, opened_lab.environments))
        assert build_environment(opened_lab.repo, opened_lab.environments[0]).code == 0
    with docker.engine() as client:
        assert ({*docker_engine.list_tags(client, "")}, docker_engine.build_cache_ids(client)) == before
    assert list(tmp_path.iterdir()) == []
