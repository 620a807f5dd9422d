"""An image is decided by its description: another umask, time and folder give the same layers, and its user can use it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from support.dockerfile import write_template
from support.labs import build_environment, change_service, image_tag
from torchpin.commands import generate
from torchpin.commands.build import BuildOptions, build
from torchpin.lab import docker_engine
from torchpin.tools import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.lab.lab import Lab
    from torchpin.model import Environment, Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def with_user(service: Service) -> Service:
    return replace(service, run=replace(service.run, user="worker"))


def copy_checkout(repo: Repository, root: Path, name: str, mask: int) -> Repository:
    """A copy of a repository in another folder, with the modes that a checkout under another umask has."""
    shutil.copytree(repo.root, root, symlinks=True, ignore=shutil.ignore_patterns("third_party"))
    for path in (root, *root.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
    return replace(repo, root=root, prefix=f"{repo.prefix}/{name}")


class Image(NamedTuple):
    id: str
    layers: list[str]


def read_image(repo: Repository, env: Environment) -> Image:
    with docker.engine() as client:
        image: Any = client.images.get(image_tag(repo, env))
        return Image(image.id, image.attrs["RootFS"]["Layers"])


class Builds(NamedTuple):
    """A repository whose service has a user, and the image of it that was built."""

    repo: Repository
    env: Environment
    image: Image


@pytest.fixture(scope="module")
def first(lora_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    root = tmp_path_factory.mktemp("described")
    described = copy_checkout(lora_lab.repo, root / "monorepo", "same", 0o022)
    changed, env = change_service(described, with_user)
    assert not any(outcome.code for outcome in generate.write_renderings(changed, [env]))
    repo = copy_checkout(changed, root / "first", "first", 0o022)
    with umask(0o022):
        (outcome,) = build(repo, [env], BuildOptions(no_cache=True))
    assert outcome.code == 0, outcome.detail
    return Builds(repo, env, read_image(repo, env))


def change_template(repo: Repository, *changes: tuple[str, str]) -> None:
    template = write_template(repo.root)
    text = template.read_text()
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    template.write_text(text)


@pytest.fixture
def changed_copy(first: Builds, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40]
    return copy_checkout(first.repo, tmp_path / "changed", name, 0o022)


def test_another_umask_time_and_folder_give_the_same_image(
    first: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")  # of somebody else's build; buildx would take it
    repo = copy_checkout(first.repo, tmp_path / "another" / "folder", "second", 0o077)
    with umask(0o077):
        (outcome,) = build(repo, [first.env], BuildOptions(no_cache=True))
    assert outcome.code == 0, outcome.detail
    second = read_image(repo, first.env)
    assert second.layers == first.image.layers
    assert second == first.image


def test_bytecode_is_the_same_each_time_and_in_no_layer_of_torch(first: Builds, tmp_path: Path) -> None:
    described = copy_checkout(first.repo, tmp_path / "described", "bytecode", 0o022)
    changed, env = change_service(
        described, lambda service: replace(service, run=replace(service.run, bytecode=True))
    )
    assert not any(outcome.code for outcome in generate.write_renderings(changed, [env]))
    images = []
    for name, keep_downloads in (("once", False), ("kept", True)):  # which changes no layer either
        repo = copy_checkout(changed, tmp_path / name, name, 0o022)
        repo = replace(repo, settings=replace(repo.settings, keep_downloads=keep_downloads))
        (outcome,) = build(repo, [env], BuildOptions(no_cache=True))
        assert outcome.code == 0, outcome.detail
        images.append(read_image(repo, env))
    assert images[0].layers == images[1].layers
    shared = [
        layer for layer, other in zip(images[0].layers, first.image.layers, strict=False) if layer == other
    ]
    assert len(shared) >= 4  # the base, Python, torch and its companions
    with docker.engine() as client:
        modes = docker_engine.run_in_image(client, image_tag(repo, env), "python", "-c", BYTECODE_MODES)
    assert modes.splitlines()[-1] == "1"  # after the report of the start


BYTECODE_MODES = """
import pathlib, sysconfig
files = pathlib.Path(sysconfig.get_path("purelib")).rglob("*.pyc")
print(*{int.from_bytes(file.read_bytes()[4:8], "little") for file in files})
"""  # the second word of each: 1 for a hash that is never compared with the source


def test_a_step_that_leaves_the_time_of_the_build_gives_another_layer(
    first: Builds, changed_copy: Repository
) -> None:
    """What the comparison above is worth."""
    change_template(
        changed_copy,
        ("folders %}\n    sh /run/torchpin/settle.sh\n", "folders %}\n    true\n"),
        (
            "sh /run/torchpin/settle.sh /opt/torchpin && sh /run/torchpin/settle.sh {{ service.home }} &&",
            "true &&",
        ),
        ("sh /run/torchpin/settle.sh /opt /run/torchpin created", "true"),
    )
    assert not any(outcome.code for outcome in generate.write_renderings(changed_copy, [first.env]))
    outcome = build_environment(changed_copy, first.env)
    assert outcome.code == 0, outcome.detail
    layers = read_image(changed_copy, first.env).layers
    differing = [number for number, layer in enumerate(layers) if layer != first.image.layers[number]]
    assert differing
    assert differing[0] >= len(layers) - 3  # the steps before it are the same


def test_what_the_user_cannot_read_or_write_fails_before_anything_is_tagged(
    first: Builds, changed_copy: Repository
) -> None:
    change_template(
        changed_copy,
        ("cp -R -P /run/torchpin/source/. {{ home }} && \\\n",
         "cp -R -P /run/torchpin/source/. {{ home }} && chmod 600 {{ home }}/README.md && \\\n"),
        ('-o {{ image.owner.split(":")[0] }} -g {{ image.owner.split(":")[1] }} {{ folder }}', "{{ folder }}"),
    )  # fmt: skip
    assert not any(outcome.code for outcome in generate.write_renderings(changed_copy, [first.env]))
    outcome = build_environment(changed_copy, first.env)
    assert outcome.code
    assert "failed at verification" in outcome.detail
    assert "/opt/lora/third_party/sd-scripts/README.md: cannot be read by worker" in outcome.detail
    assert "/workspace: cannot be written by worker" in outcome.detail


def test_a_proof_as_another_user_than_the_container_s_fails(first: Builds, changed_copy: Repository) -> None:
    user = "FROM image AS proof\n{% if service.run.user %}\nUSER {{ service.run.user }}\n{% endif %}\n"
    change_template(changed_copy, (user, "FROM image AS proof\n"))
    assert not any(outcome.code for outcome in generate.write_renderings(changed_copy, [first.env]))
    outcome = build_environment(changed_copy, first.env)
    assert outcome.code
    assert "user: expected worker, found root" in outcome.detail
