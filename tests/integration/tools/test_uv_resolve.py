"""The lock of a machine without Docker, resolved by real uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin.description.environments import native_environment, select_environments
from torchpin.model import Settings
from torchpin.tools import uv_resolve
from torchpin.workspace import workspace

ROOT = Path(__file__).parents[3]


@pytest.mark.network
def test_on_macos_a_cpu_variant_has_the_same_versions_in_files_of_its_own() -> None:
    repo = workspace.open_repository(ROOT)
    (env,) = select_environments(repo.services, service="coaxial", variant="cpu")
    committed = workspace.read_lock(repo, env)
    native_env = native_environment(env, "macos/arm64")
    assert native_env is not None
    native_lock = uv_resolve.resolve(native_env, Settings(), index=None, current=committed)
    assert {name: package.version.split("+")[0] for name, package in native_lock.packages.items()} == {
        name: package.version.split("+")[0] for name, package in committed.packages.items()
    }
    tags = {
        package.filename.rsplit("-", 1)[1]
        for package in native_lock.packages.values()
        if not package.is_source
    }
    assert all(tag == "any.whl" or tag.startswith("macosx_") for tag in tags)
    assert "linux" not in native_lock.packages["torch"].filename
