"""A machine without Docker: which environments it can have, and what is locked for it there and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin.commands import install
from torchpin.description.environments import native_environment, select_environments
from torchpin.errors import ToolError
from torchpin.lab import lab
from torchpin.model import Settings
from torchpin.tools import uv_install, uv_resolve
from torchpin.workspace import workspace

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize(
    ("service", "variant", "message"),
    [
        ("coaxial", "arm64", "coaxial-arm64 is locked for linux/arm64; this machine is linux/amd64."),
        ("seedvr", "gpu", "seedvr-gpu takes torch from its base image, so it exists as an image only"),
    ],
)
def test_what_cannot_be_native_is_refused_before_anything_is_made(
    service: str, variant: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "linux/amd64")
    repo = workspace.open_repository(ROOT)
    (env,) = select_environments(repo.services, service=service, variant=variant)
    with pytest.raises(ToolError, match=message):
        install.install(repo, env)


@pytest.mark.parametrize("platform", ["macos/arm64", ""])
def test_the_lab_says_plainly_that_it_is_for_linux(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: platform)
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services, service="lora")
    with (
        pytest.raises(ToolError, match="stand-ins are Linux wheels"),
        lab.open_lab(repo, environments, docker=False, say=lambda _: None),
    ):
        pytest.fail("a lab was opened")
