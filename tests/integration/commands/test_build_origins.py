"""An image with packages from an index of the description, from an address, the repository and git: built and verified once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from support.labs import OPTIONS, image_tags
from torchpin.commands import build
from torchpin.commands.lock import lock
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.lab.stub_wheels import build_wheel, index_file
from torchpin.model import Index, Layer, Package, PackageFile
from torchpin.tools import docker, index_server
from torchpin.tools.files import write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]
INNER = build_wheel("inner", "1.0", modules={"inner.py": ""})
KERNELS = build_wheel("kernels", "2.0", modules={"kernels.py": ""})
TOOLS = build_wheel("own-tools", "1.0", requires=["inner"], modules={"own_tools.py": ""})
PROJECT = """[project]
name = "from-git"
version = "1.2"
description = "Built from git"
[build-system]
requires = ["flit_core==3.12.0"]
build-backend = "flit_core.buildapi"
"""


def origin(folder: Path) -> PackageFile:
    files = {"pyproject.toml": PROJECT, "from_git.py": "VALUE = 1\n"}
    folder.mkdir()
    write_files({folder / name: text for name, text in files.items()})
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "a")
    return PackageFile(git=folder.as_uri(), commit=git(folder, "rev-parse", "HEAD"))


def with_packages(repo: Repository, folder: Path) -> tuple[Repository, Environment]:
    """The zopilot service of a lab with four packages more, none of them from PyPI."""
    (service,) = [service for service in repo.services if service.name == "zopilot"]
    wheel = repo.root / "wheels" / TOOLS[0]
    wheel.parent.mkdir()
    wheel.write_bytes(TOOLS[1])
    url, sha256 = f"https://packages.invalid/{KERNELS[0]}", hashlib.sha256(KERNELS[1]).hexdigest()
    files = (
        Package("kernels==2.0", file=PackageFile(url=url, sha256=sha256)),
        Package("own-tools==1.0", file=PackageFile(path=f"wheels/{TOOLS[0]}")),
        Package("from-git==1.2", file=origin(folder)),
    )
    layers = (
        *service.layers,
        Layer(name="own", packages=(Package("inner==1.0"),), index="corp"),
        Layer(name="files", packages=files),
    )
    index = Index(name="corp", url="https://wheels.invalid/simple")
    changed = replace(
        service, layers=layers, indexes=(index,), imports=(*service.imports, "inner", "from_git")
    )
    write_files({repo.root / changed.file: write.to_yaml(changed)})
    reread = workspace.reread(repo)
    (env,) = select_environments(reread.services, service="zopilot")
    return reread, env


def test_packages_that_are_not_from_pypi_are_built_into_an_image(
    copy_shape: Callable[[str], Repository], tmp_path: Path
) -> None:
    channels = {"corp": {"inner": [index_file(*INNER)], "kernels": [index_file(*KERNELS)]}}
    with index_server.serve(channels) as base:
        repo, env = with_packages(copy_shape("zopilot"), tmp_path / "origin")
        # who gets in is told by the mirror's address, which the build has as a secret
        host = base.replace("://", "://user:S3CRET@")
        mirrors = {**repo.settings.mirrors, "corp": f"{host}/corp/", "kernels": f"{host}/corp/files"}
        repo = replace(repo, settings=replace(repo.settings, mirrors=mirrors))
        (locked,) = lock(repo, (env,))
        assert not locked.code, locked
        (outcome,) = build.build(repo, (env,), OPTIONS)
        assert not outcome.code, outcome
    packages = workspace.read_lock(repo, env).packages
    frozen = str(repo.text(f"records/{env.name}/pip_freeze.txt")).split()
    names = ("inner", "kernels", "own-tools", "from-git")
    assert {f"{name}=={packages[name].version}" for name in names} <= {*frozen}
    assert [packages[name].origin for name in names] == ["", "address", "repository", "git"]
    (tag, *_) = image_tags(repo)
    with docker.engine() as client:
        history = json.dumps(client.images.get(tag).history())
        search = "grep -rl S3CRET /opt /root /etc /tmp || true"
        matches = client.containers.run(
            tag, ["-c", search], entrypoint=["sh"], remove=True, network_mode="none"
        )
    texts = [path.read_text(errors="replace") for path in repo.root.rglob("*") if path.is_file()]
    assert not [text for text in (*texts, history, matches.decode()) if "S3CRET" in text]
    assert matches == b""
