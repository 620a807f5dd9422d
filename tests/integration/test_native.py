"""A machine without Docker: which environments it can have, and what is locked for it there and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin.commands import install
from torchpin.description import environments as description_environments
from torchpin.errors import ToolError
from torchpin.lab import lab
from torchpin.model import Settings
from torchpin.tools import uv_install, uv_resolve
from torchpin.workspace import workspace

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_on_macos_a_cpu_variant_has_the_same_versions_in_files_of_its_own() -> None:
    repo = workspace.opened(ROOT)
    (env,) = description_environments.environments(repo.services, service="coaxial", variant="cpu")
    committed = workspace.lock(repo, env)
    own = description_environments.native(env, "macos/arm64")
    assert own is not None
    found = uv_resolve.resolve(own, Settings(), index=None, current=committed)
    assert {name: package.version.split("+")[0] for name, package in found.packages.items()} == {
        name: package.version.split("+")[0] for name, package in committed.packages.items()
    }
    tags = {
        package.filename.rsplit("-", 1)[1] for package in found.packages.values() if not package.is_source
    }
    assert all(tag == "any.whl" or tag.startswith("macosx_") for tag in tags)
    assert "linux" not in found.packages["torch"].filename


@pytest.mark.parametrize(
    ("service", "variant", "said"),
    [
        ("coaxial", "arm64", "coaxial-arm64 is locked for linux/arm64; this machine is linux/amd64."),
        ("seedvr", "gpu", "seedvr-gpu takes torch from its base image, so it exists as an image only"),
    ],
)
def test_what_cannot_be_native_is_refused_before_anything_is_made(
    service: str, variant: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "platform_here", lambda: "linux/amd64")
    repo = workspace.opened(ROOT)
    (env,) = description_environments.environments(repo.services, service=service, variant=variant)
    with pytest.raises(ToolError, match=said):
        install.install(repo, env)


@pytest.mark.parametrize("here", ["macos/arm64", ""])
def test_the_lab_says_plainly_that_it_is_for_linux(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_install, "platform_here", lambda: here)
    repo = workspace.opened(ROOT)
    environments = description_environments.environments(repo.services, service="lora")
    with (
        pytest.raises(ToolError, match="stand-ins are Linux wheels"),
        lab.opened(repo, environments, docker=False, say=lambda _: None),
    ):
        pytest.fail("a lab was opened")
