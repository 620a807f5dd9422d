"""docker-bake.json built by the real buildx, on two engines: the images are those of `build`; what a lost builder leaves."""

from __future__ import annotations

import json
import stat
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.labs import build_environment, image_tag
from support.registries import breaking_connection, list_tags
from torchpin.commands.bake import BakeOptions, bake_builds, bake_document_of
from torchpin.errors import InputError, ToolError
from torchpin.tools import docker, image_transfers
from torchpin.tools.registry import registry_key
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.commands.report import CommandReport
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network, pytest.mark.registry]


def with_settings(repo: Repository, **settings: Any) -> Repository:
    return replace(repo, settings=replace(repo.settings, **settings))


def image_layers(tag: str) -> list[str]:
    with docker.engine() as client:
        layers: list[str] = client.images.get(tag).attrs["RootFS"]["Layers"]
    return layers


def run_bake(repo: Repository, env: Environment, **options: Any) -> CommandReport:
    return bake_builds(repo, [env], BakeOptions(run=True, **options))


def test_two_engines_bake_what_build_makes(
    small: tuple[Repository, Environment], registry: str, other_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, env = small
    build_environment(scratch, env)
    layers = image_layers(image_tag(scratch, env))
    repo = with_settings(scratch, registry=registry, registry_cache=f"{registry}/cache")
    tag = image_tag(repo, env)

    pushed = run_bake(repo, env, push=True)
    assert [(row.status, row.detail) for row in pushed.outcomes] == [("changed", f"built: {tag}")]
    assert list_tags(registry, f"{repo.prefix}/{env.name}") == sorted([tag.rpartition(":")[2], "latest"])
    assert registry_key(tag) == workspace.read_build_record(scratch, env)["key"]
    again = run_bake(repo, env, push=True)
    assert [(row.status, row.detail) for row in again.outcomes] == [("same", "in the registry already")]

    mirrored = mirror_base(repo, env, registry)
    monkeypatch.setenv("DOCKER_HOST", other_engine)
    loaded = with_settings(mirrored, registry="")
    assert run_bake(loaded, env).exit_code == 0
    assert image_layers(image_tag(loaded, env)) == layers


def test_a_builder_whose_disk_is_full_pushes_nothing(
    small: tuple[Repository, Environment], registry: str, small_engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, env = small
    repo = mirror_base(with_settings(scratch, registry=registry), env, registry)
    monkeypatch.setenv("DOCKER_HOST", small_engine)
    with pytest.raises(ToolError) as excinfo:
        run_bake(repo, env, push=True)
    message = str(excinfo.value)
    assert message.startswith("the build failed at "), message
    assert "no space left on device" in message, message
    assert "\nhelp: the disk of the builder is full" in message, message
    assert list_tags(registry, f"{repo.prefix}/{env.name}") == []


def mirror_base(repo: Repository, env: Environment, registry: str) -> Repository:
    """The repository on a machine that reads its base image from a registry, where it is now."""
    base = env.base.image.removeprefix("docker.io/")
    mirror = f"{registry}/hub"
    with docker.engine() as client:
        client.images.get(base).tag(*f"{mirror}/{base}".rsplit(":", 1))
        image_transfers.push(client, [f"{mirror}/{base}"])
        docker.remove_tags(client, [f"{mirror}/{base}"])
    return with_settings(repo, mirrors={**repo.settings.mirrors, "docker.io": mirror})


def test_a_prepared_file_holds_no_secret_and_stands_for_nobody_else_s(
    small: tuple[Repository, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, env = small
    mirrors = {**scratch.settings.mirrors, "pypi": "https://user:S3CRET@mirror.example/simple"}
    repo = with_settings(scratch, mirrors=mirrors, registry="127.0.0.1:9")
    printed = bake_document_of(repo, [env], BakeOptions())
    assert not (repo.root / "docker-bake.json").exists()
    report = bake_builds(repo, [env], BakeOptions())
    assert report.summary.startswith("next: `docker buildx bake --file .torchpin/bake/network.yaml --file ")
    text = (repo.root / "docker-bake.json").read_text()
    assert text == printed
    assert "S3CRET" not in text
    target = json.loads(text)["target"]["lora-gpu"]
    assert (repo.root / target["context"] / target["dockerfile"]).is_file()
    secret = repo.root / target["secret"][-1].rpartition("src=")[2]
    assert "S3CRET" in secret.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    checked = subprocess.run(
        ("docker", "buildx", "bake", "--print"), cwd=repo.root, capture_output=True, text=True, check=True
    )
    assert json.loads(checked.stdout)["target"]["lora-gpu"]["tags"] == target["tags"]

    (repo.root / "docker-bake.json").write_text('{"target": {"app": {}}}')
    with pytest.raises(InputError, match=r"docker-bake\.json was not written by `invoke bake`"):
        bake_builds(repo, [env], BakeOptions())
    (repo.root / "docker-bake.json").unlink()
    with pytest.raises(InputError, match="`--push` needs a registry"):
        bake_builds(with_settings(repo, registry=""), [env], BakeOptions(push=True))


def test_a_builder_that_is_lost_leaves_one_error_and_no_tag(
    small: tuple[Repository, Environment], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, env = small
    tag = image_tag(scratch, env)
    with pytest.raises(ToolError, match='no builder "elsewhere" found'):
        run_bake(scratch, env, builder="elsewhere")
    with breaking_connection(engine, "FROM docker.io/torchpin-lab/") as address:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        with pytest.raises(ToolError) as excinfo:
            run_bake(scratch, env)
    message = str(excinfo.value)
    assert message.startswith("the build failed at "), message
    assert "an image that failed has no tag" in message
    assert message.splitlines()[-1] == f"log: {scratch.root}/.torchpin/logs/bake.log"
    monkeypatch.setenv("DOCKER_HOST", engine)
    with docker.engine() as client:
        assert client.images.list(tag) == []
