"""Locks exported in the standard form, and a lock for another platform than the builder's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from packaging.pylock import Pylock

from support.labs import FROM_BASE, OPTIONS, BuiltLabs
from torchpin.commands import build
from torchpin.commands.lock import export, lock
from torchpin.description.environments import select_environments
from torchpin.tools import process
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = [pytest.mark.docker, pytest.mark.network]


@pytest.mark.parametrize("name", FROM_BASE)
def test_a_lock_with_an_abi_wheel_is_exported_in_the_standard_form(shapes: BuiltLabs, name: str) -> None:
    """PyPI has no such file: its place is the release, its hash the locked one; what the base gives is no part of it."""
    shape = shapes.lab_of(name)
    (env,) = shape.service_environments(name)
    locked = workspace.read_lock(shape.repo, env)
    text = export(shape.repo, env, "pylock")
    exported = Pylock.from_dict(tomllib.loads(text))
    assert {package.name: str(package.version) for package in exported.packages} == {
        name: package.version for name, package in locked.packages.items()
    }
    assert locked.packages["flash-attn"].sha256 in text


def test_a_lock_is_exported_in_the_standard_form_with_its_own_files(
    scratch: Repository, env: Environment
) -> None:
    locked = workspace.read_lock(scratch, env)
    text = export(scratch, env, "pylock")
    exported = Pylock.from_dict(tomllib.loads(text))
    assert {package.name: str(package.version) for package in exported.packages} == {
        name: package.version for name, package in locked.packages.items()
    }
    assert str(scratch.root) not in text


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
