"""Tools without this machine's settings, a repository of two commits, and labs that are open as long as the tests run."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from support.labs import ROOT, BuiltLabs, change_service
from support.small_service import DESCRIPTION, write_service
from torchpin.commands import lock
from torchpin.description.environments import select_environments
from torchpin.lab import lab
from torchpin.tools.files import write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torchpin.model import Environment, Service
    from torchpin.workspace.workspace import Repository


@pytest.fixture
def plain_tools(plain_git: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's user for git and torchpin; uv gives up at once."""
    for name in [name for name in os.environ if name.startswith("TORCHPIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two commits: six moves, and then the base."""
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for number, (description, six) in enumerate([(DESCRIPTION, "1.16.0"), (DESCRIPTION, "1.17.0")], start=1):
        write_service(path, description, six=six)
        git(path, "add", ".")
        git(path, "commit", "-q", "-m", f"state {number}")
        git(path, "tag", f"v0.{number}")
    return path


@pytest.fixture(scope="session")
def lora_lab() -> Iterator[lab.Lab]:
    """One lab for all: lora, locked and cloned, with its own base image."""
    repo = workspace.open_repository(ROOT)
    messages: list[str] = []
    with lab.open_lab(
        repo, select_environments(repo.services, service="lora"), show_status=messages.append
    ) as opened_lab:
        assert opened_lab.has_docker, messages
        outcomes = lock.lock(opened_lab.repo, opened_lab.environments)
        assert not any(outcome.code for outcome in outcomes), outcomes
        yield opened_lab


@pytest.fixture
def env(lora_lab: lab.Lab) -> Environment:
    return lora_lab.environments[0]


@pytest.fixture
def scratch(lora_lab: lab.Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    """A copy of the lab's monorepo for one test, with names of its own for its images."""
    root = tmp_path / "monorepo"
    shutil.copytree(lora_lab.repo.root, root, symlinks=True)
    prefix = f"{lora_lab.repo.prefix}/{request.node.name.replace('[', '-').replace(']', '').replace('_', '-')[:60]}"
    return replace(lora_lab.repo, root=root, prefix=prefix.rstrip("-"))


@pytest.fixture
def small(scratch: Repository) -> tuple[Repository, Environment]:
    """lora with the packages of its last layer alone beside torch's: it is built in seconds."""

    def change(service: Service) -> Service:
        return replace(
            service,
            layers=service.layers[-1:],
            imports=("torch", "tqdm"),
            sources=(),
            recommends=(),
            reasons=(),
            waivers=(),
        )

    write_files({scratch.root / "services/lora/smoke.py": "import torch, tqdm\n"})
    repo, env = change_service(scratch, change)
    assert not any(outcome.code for outcome in lock.lock(repo, [env]))
    return repo, env


@pytest.fixture(scope="session")
def shapes() -> Iterator[BuiltLabs]:
    with ExitStack() as ends:
        yield BuiltLabs(ends)


@pytest.fixture
def copy_shape(shapes: BuiltLabs, tmp_path: Path) -> Callable[[str], Repository]:
    """A copy of a shape's monorepo for one test, with names of its own for its images; they go with the lab's."""

    def copied(name: str) -> Repository:
        shape = shapes.lab_of(name)
        shape.copies += 1
        root = tmp_path / f"monorepo-{shape.copies}"
        shutil.copytree(shape.repo.root, root, symlinks=True)
        return replace(shape.repo, root=root, prefix=f"{shape.repo.prefix}/copy-{name}-{shape.copies}")

    return copied


@pytest.fixture
def monorepo(tmp_path: Path) -> Repository:
    """The committed services, locks, renderings, records and documents, in a folder of their own."""
    for name in ("services", "docker", "lockfiles", "records", "docs", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "DEVIATIONS.md", tmp_path)
    repo = workspace.open_repository(tmp_path)
    mirrors = {name: url for name, url in repo.settings.mirrors.items() if name in {"pypi", "python"}}
    return replace(repo, settings=replace(repo.settings, mirrors=mirrors))
