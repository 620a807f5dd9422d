"""Exports of the committed locks and of locks of labs, taken by real uv and pip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.pylock import Pylock

from support.labs import FROM_BASE, ROOT, BuiltLabs
from torchpin.commands.export import export
from torchpin.description.environments import select_environments, uv_platform
from torchpin.tools.uv import uv_executable
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.network
REPOSITORY = workspace.open_repository(ROOT)
COMMITTED = select_environments(REPOSITORY.services)


def python_folders() -> str:
    """PATH, with the Pythons that version managers and CI runners keep beside it."""
    managed = [
        *Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"),
        *Path(os.environ.get("RUNNER_TOOL_CACHE", "/opt/hostedtoolcache")).glob("Python/*/*/bin"),
    ]
    return os.pathsep.join([os.environ["PATH"], *map(str, sorted(managed))])


def make_venv(env: Environment, folder: Path) -> Path:
    """An empty environment of the lock's Python; uv downloads one where the machine has none."""
    python, venv = f"{env.service.python.major}.{env.service.python.minor}", folder / "venv"
    command = (uv_executable(), "venv", "--quiet", "--no-config", "--python", python, str(venv))
    result = subprocess.run(
        command, env={**os.environ, "PATH": python_folders()}, check=False, capture_output=True, text=True
    )
    if result.returncode:
        pytest.skip(f"no Python {python} here: {result.stderr.strip()}")
    return venv


def run_uv(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (uv_executable(), "pip", *arguments), cwd=folder, check=False, capture_output=True, text=True
    )


def planned_installs(result: subprocess.CompletedProcess[str]) -> set[str]:
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stderr.splitlines() if line.startswith(" + ")]
    return {line[1].partition("==")[0] for line in lines}


@pytest.mark.parametrize("env", COMMITTED, ids=[env.name for env in COMMITTED])
def test_uv_takes_the_pylock_of_a_committed_lock(env: Environment, tmp_path: Path) -> None:
    locked = workspace.read_lock(REPOSITORY, env)
    (tmp_path / "pylock.toml").write_text(export(REPOSITORY, env, "pylock"))
    venv = make_venv(env, tmp_path)
    options = ("--dry-run", "--preview-features", "pylock", "--python", str(venv), "--python-platform")
    platform = uv_platform(env.variant.platform)
    for arguments in (("sync", "pylock.toml"), ("install", "-r", "pylock.toml")):
        assert planned_installs(run_uv(tmp_path, *arguments, *options, platform)) == {*locked.packages}
    other = "linux/amd64" if env.variant.platform == "linux/arm64" else "linux/arm64"
    refused = run_uv(tmp_path, "sync", "pylock.toml", *options, uv_platform(other))
    assert (refused.returncode != 0, "not supported by the lockfile" in refused.stderr) == (True, True), (
        refused
    )


def test_the_addresses_of_files_in_no_mirror_are_pytorchs_and_the_releases() -> None:
    hosts = {
        env.name: {
            line.split("/")[2]
            for line in export(REPOSITORY, env, "requirements").splitlines()
            if " @ https://" in line
        }
        for env in COMMITTED
    }
    assert hosts == {
        env.name: {"github.com" if env.service.torch.origin == "base" else "download.pytorch.org"}
        for env in COMMITTED
    }


@pytest.mark.docker
@pytest.mark.parametrize("name", FROM_BASE)
def test_an_abi_wheel_is_taken_from_its_mirror(shapes: BuiltLabs, name: str, tmp_path: Path) -> None:
    """PyPI has no such file; what the base image provides is no part of either export."""
    shape = shapes.lab_of(name)
    (env,) = shape.service_environments(name)
    locked = workspace.read_lock(shape.repo, env)
    text = export(shape.repo, env, "pylock")
    exported = Pylock.from_dict(tomllib.loads(text))
    assert {package.name for package in exported.packages} == {*locked.packages}
    assert locked.packages["flash-attn"].sha256 in text
    (tmp_path / "requirements.txt").write_text(export(shape.repo, env, "requirements"))
    venv = make_venv(env, tmp_path)
    options = ("--dry-run", "--no-deps", "--require-hashes", "--python", str(venv))
    assert planned_installs(run_uv(tmp_path, "install", "-r", "requirements.txt", *options)) == {
        *locked.packages
    }


@pytest.mark.docker
def test_a_lock_is_exported_with_its_own_files(scratch: Repository, env: Environment) -> None:
    locked = workspace.read_lock(scratch, env)
    text = export(scratch, env, "pylock")
    exported = Pylock.from_dict(tomllib.loads(text))
    assert {package.name: str(package.version) for package in exported.packages} == {
        name: package.version for name, package in locked.packages.items()
    }
    assert str(scratch.root) not in text
