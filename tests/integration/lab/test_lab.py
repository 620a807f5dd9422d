"""A lab is for Linux, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.labs import ROOT, build_environment
from torchpin.commands import install, lock
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError
from torchpin.lab import docker_engine, lab, stub_wheels
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


@pytest.mark.network
def test_a_stub_that_answers_otherwise_than_facts_and_lock_fails_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = stub_wheels.torch_family
    wrong = {"cudnn": 90100, "cxx11_abi": False, "cuda": "12.6", "archs": ("sm_90",)}
    monkeypatch.setattr(stub_wheels, "torch_family", lambda **answers: right(**{**answers, **wrong}))
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services, service="lora")
    with lab.open_lab(repo, environments, docker=False, show_status=lambda _: None) as opened_lab:
        assert not any(outcome.code for outcome in lock.lock(opened_lab.repo, opened_lab.environments))
        with pytest.raises(ToolError) as raised:
            install.install(opened_lab.repo, opened_lab.environments[0])
    assert [line.strip() for line in str(raised.value).splitlines()[1:]] == [
        "probe: FAIL torch CUDA: expected 12.8, found 12.6",
        "probe: FAIL torch.backends.cudnn.version(): expected 90701, found 90100",
        "probe: FAIL torch C++11 ABI: expected TRUE, found FALSE",
        "probe: FAIL torch architectures: expected sm_75 sm_80 sm_86 sm_100 sm_120, found sm_90",
        "probe: 4 problems",
    ]


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
