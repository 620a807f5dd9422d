"""Exports of the committed locks, as far as they need no index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from torchpin.commands.export import FORMATS, export
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Settings
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Environment

ROOT = Path(__file__).parents[3]
REPOSITORY = workspace.open_repository(ROOT)
COMMITTED = select_environments(REPOSITORY.services)


@pytest.mark.parametrize("env", COMMITTED, ids=[env.name for env in COMMITTED])
def test_the_requirements_are_one_line_a_package_with_one_hash(env: Environment) -> None:
    locked = workspace.read_lock(REPOSITORY, env).packages
    lines = [line for line in export(REPOSITORY, env, "requirements").splitlines() if line[:1] != "#"]
    rows = {
        Requirement(line.partition(" --hash=")[0]).name: line.partition(" --hash=sha256:")[2]
        for line in lines
    }
    assert rows == {name: package.sha256 for name, package in locked.items()}
    assert len(lines) == len(locked)


def test_credentials_of_a_mirror_are_in_no_export() -> None:
    (env,) = select_environments(REPOSITORY.services, service="seedvr")
    settings = Settings(
        mirrors={"flash-attn": "https://somebody:canary-1@mirror.example/flash?token=canary-2"}
    )
    text = export(replace(REPOSITORY, settings=settings), env, "requirements")
    assert "flash-attn @ https://" in text
    assert "mirror.example/flash" in text
    assert "canary" not in text


def test_a_format_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(InputError, match=rf"^format 'xml' does not exist \(known: {', '.join(FORMATS)}\)$"):
        export(REPOSITORY, COMMITTED[0], "xml")
