"""Two machines and a registry: one pushes, the other leaves the image there or pulls it; a registry that is lost or full."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.labs import OPTIONS, image_tag
from support.registries import breaking_connection, list_tags, start_registry
from torchpin.commands.build import build
from torchpin.errors import ToolError
from torchpin.tools import docker, image_transfers
from torchpin.tools import registry as registry_tool
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.commands.build import BuildOptions
    from torchpin.model import Environment, Outcome
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network, pytest.mark.registry]
PUSH = replace(OPTIONS, push=True)


def use_registry(repo: Repository, address: str) -> Repository:
    return replace(repo, settings=replace(repo.settings, registry=address))


def run_build(
    repo: Repository, env: Environment, options: BuildOptions = OPTIONS
) -> tuple[Outcome, list[str]]:
    statuses: list[str] = []
    (outcome,) = build(repo, [env], options, show_status=statuses.append)
    return outcome, statuses


def tags_of(repo: Repository, env: Environment, address: str) -> list[str]:
    return list_tags(address, f"{repo.prefix}/{env.name}")


@contextmanager
def use_engine(address: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield


def is_loaded(tag: str) -> bool:
    with docker.engine() as client:
        return bool(client.images.list(tag))


def test_one_machine_pushes_and_another_one_builds_nothing(
    small: tuple[Repository, Environment], registry: str, other_engine: str
) -> None:
    scratch, env = small
    repo = use_registry(scratch, registry)
    tag = image_tag(repo, env)
    label = tag.rpartition(":")[2]
    pushed, _ = run_build(repo, env, PUSH)
    assert (pushed.status, pushed.detail.endswith(", pushed")) == ("changed", True), pushed.detail
    assert tags_of(repo, env, registry) == sorted([label, "latest"])
    again, _ = run_build(repo, env, PUSH)
    assert (again.status, again.detail.endswith(", in the registry already")) == ("same", True), again.detail

    with use_engine(other_engine):
        left, _ = run_build(repo, env, PUSH)
        assert (left.status, left.detail) == (
            "same",
            f"in the registry already: {tag}; `--pull` loads it",
        )
        assert not is_loaded(tag)

        pulled, statuses = run_build(repo, env)
        assert statuses[-1] == f"lora-gpu: pulling {tag}, which is in the registry"
        assert pulled.detail.startswith(f"pulled from the registry, nothing to do: {tag}"), pulled.detail
        key = workspace.read_build_record(repo, env)["key"]
        assert key[:12] == label
        assert registry_tool.registry_key(tag) == key
        assert is_loaded(tag)
        (nothing, _) = run_build(repo, env)
        assert nothing.detail.startswith("already built and verified, nothing to do"), nothing.detail

    registry_tool.retag(tag, f"{tag}-other")
    assert tags_of(repo, env, registry) == sorted([label, f"{label}-other", "latest"])


def test_a_registry_that_is_lost_or_full_has_no_tag_of_the_key(
    small: tuple[Repository, Environment], registry: str, tmp_path: Path
) -> None:
    scratch, env = small
    label = image_tag(scratch, env).rpartition(":")[2]
    path = f"/v2/{scratch.prefix}/{env.name}/manifests/{label}"
    with breaking_connection(registry, f"PUT {path}") as address:
        repo = use_registry(scratch, address)
        lost, _ = run_build(repo, env, PUSH)
        assert lost.code == 3
        assert lost.detail.startswith(f"{image_tag(repo, env)} could not be pushed: "), lost.detail
        assert "\n" not in lost.detail
        assert tags_of(repo, env, registry) == ["latest"]  # the tag of the key is the last one

        gone, _ = run_build(repo, env, PUSH)
        assert (gone.code, "\n" in gone.detail) == (3, False)
        assert "connection refused" in gone.detail, gone.detail

        other = use_registry(scratch, address)
        unreachable, _ = run_build(replace(other, prefix=f"{other.prefix}-b"), env, PUSH)
        assert unreachable.detail.startswith(f"{address} cannot be queried for images: "), unreachable.detail
        assert unreachable.detail.endswith("; nothing was built, since `--push` needs it")
        built, statuses = run_build(replace(other, prefix=f"{other.prefix}-b"), env)
        assert built.code == 0, built.detail
        assert any(
            status.startswith(f"lora-gpu: {address} cannot be queried")
            and status.endswith("; it is built here")
            for status in statuses
        ), statuses

    repo = use_registry(scratch, registry)
    whole, _ = run_build(repo, env, PUSH)
    assert whole.code == 0, whole.detail
    assert tags_of(repo, env, registry) == sorted([label, "latest"])


def test_a_registry_whose_disk_is_full_gets_no_tag(
    small: tuple[Repository, Environment], tmp_path: Path
) -> None:
    scratch, env = small
    with (
        full_disk(tmp_path / "disk") as storage,
        start_registry(tmp_path / "registry", storage=storage) as address,
        docker.engine() as client,
    ):
        repo = use_registry(scratch, address)
        tag = image_tag(repo, env)
        pushed, _ = run_build(repo, env, PUSH)
        assert pushed.code == 0, pushed.detail
        name = tag.rpartition(":")[0]
        client.images.get(tag).tag(name, "more")
        fill(storage)
        with pytest.raises(ToolError) as excinfo:
            image_transfers.push(client, [f"{name}:more"])
        assert str(excinfo.value).endswith("the registry failed, so look into its log; its disk may be full")
        assert "\n" not in str(excinfo.value)
        assert (
            registry_tool.registry_key(f"{name}:more") is None
        )  # the registry lists it, and has nothing of it
        (storage / "rest").unlink()
        image_transfers.push(client, [f"{name}:more"])
        assert registry_tool.registry_key(f"{name}:more") == registry_tool.registry_key(tag)


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A file system of 600 megabytes."""
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(folder)), check=True)
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(folder: Path) -> None:
    """Leaves no room in a folder's file system."""
    with suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
        while file.write(b"0" * 4096):
            pass
