"""Images that are assembled: the same files as those that are built, the same digests on every machine, and only if verified."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from packaging.requirements import Requirement

from support.image_trees import read_tree
from support.labs import build_environment, change_service, image_tag, image_tags
from torchpin.assembly.image import MANIFEST_TYPE
from torchpin.assembly.proof import REPORT_STEP
from torchpin.commands import doctor, lock
from torchpin.commands.build import BuildOptions, build
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.model import CopiedFiles, Health, Run
from torchpin.tools import docker, engine_images
from torchpin.tools import scratch as scratch_folders
from torchpin.tools.engine_images import ASSEMBLED_LABEL, CANDIDATE_LABEL
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin import model
    from torchpin.model import Environment, Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def repo(scratch: Repository, shared_cache: str) -> Repository:
    return replace(scratch, settings=replace(scratch.settings, cache=shared_cache))


def assemble(repo: Repository, env: Environment, *, push: bool = False) -> tuple[model.Outcome, list[str]]:
    statuses: list[str] = []
    (outcome,) = build(repo, [env], BuildOptions(assemble=True, push=push), show_status=statuses.append)
    return outcome, statuses


def candidates() -> list[Any]:
    with docker.engine() as client:
        return client.images.list(filters={"label": CANDIDATE_LABEL})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The steps of the layers that the engine was sent, for each image."""
    steps: list[list[str]] = []
    load = engine_images._load

    def note(client: Any, image: Any, layers: Any, *others: Any) -> str:
        steps.append([layer.step for layer in layers])
        return load(client, image, layers, *others)

    monkeypatch.setattr(engine_images, "_load", note)
    return steps


def expect_the_same_image(repo: Repository, env: Environment) -> Repository:
    """Both ways give the same files and settings; the repository whose image was built."""
    built = replace(repo, prefix=f"{repo.prefix}/built")
    outcome = build_environment(built, env)
    assert outcome.code == 0, outcome.detail
    outcome, _ = assemble(repo, env)
    assert outcome.code == 0, outcome.detail
    with docker.engine() as client:
        images = [client.images.get(image_tag(each, env)) for each in (repo, built)]
        assembled_tree, built_tree = (read_tree(client, str(image.id)) for image in images)
        settings, built_settings = (image.attrs["Config"] for image in images)
    assert assembled_tree.keys() == built_tree.keys()
    differing = {path for path, entry in assembled_tree.items() if entry != built_tree[path]}
    assert differing <= {"etc"}, differing  # in which the engine makes files of its own
    assert settings["Labels"].pop(ASSEMBLED_LABEL)
    assert settings["Labels"] == built_settings["Labels"]
    for name in ("Env", "User", "WorkingDir", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "Healthcheck"):
        assert settings.get(name) == built_settings.get(name), name
    return built


def test_an_assembled_image_has_the_files_of_a_built_one(
    repo: Repository, env: Environment, sent: list[list[str]]
) -> None:
    built = expect_the_same_image(repo, env)
    assert sent[1:] == [[REPORT_STEP]]  # what was proven is not sent again
    assert candidates() == []
    again, _ = assemble(built, env)
    assert "already built" in again.detail  # either way gives the image of a key


def test_what_runs_and_what_is_copied_or_set_is_as_in_a_built_image(
    small: tuple[Repository, Environment], shared_cache: str
) -> None:
    def change(service: Service) -> Service:
        run = Run(
            user="worker",
            writable=("/data",),
            env={"A": "b c", "HF_HOME": "/data"},
            ports=(8000,),
            command=("python", "app/server.py"),
            health=Health(command=("python", "-c", "pass"), interval=5),
            labels={"x": "y"},
        )
        files = (
            CopiedFiles(origin="app", target="app"),
            CopiedFiles(origin="app/run.sh", target="start", mode="0555"),
        )
        layer = service.layers[-1]
        layer = replace(layer, packages=(*layer.packages, Requirement("antlr4-python3-runtime==4.9.3")))
        return replace(service, run=run, files=files, layers=(*service.layers[:-1], layer))

    repo = replace(small[0], settings=replace(small[0].settings, cache=shared_cache))
    write_files({repo.root / "app/server.py": "import os\n", repo.root / "app/run.sh": "#!/bin/sh\n"})
    (repo.root / "app/run.sh").chmod(0o700)
    (repo.root / "app/link").symlink_to("server.py")
    repo, env = change_service(repo, change)
    assert not any(outcome.code for outcome in lock.lock(repo, [env]))
    locked = workspace.read_lock(repo, env)
    assert [package.name for package in locked.packages.values() if package.is_source]
    assert not generated.render_prefix(repo, env, locked).is_finished
    expect_the_same_image(repo, env)


def test_what_fails_its_proof_is_neither_tagged_nor_kept(repo: Repository, env: Environment) -> None:
    smoke = repo.root / "services" / env.service.name / "smoke.py"
    smoke.write_text("raise SystemExit('the model is gone')\n")
    assert not any(outcome.code for outcome in lock.lock(replace(repo), [env]))
    outcome, _ = assemble(replace(repo), env)
    assert outcome.code
    assert "the model is gone" in outcome.detail
    assert "nothing was tagged or recorded" in outcome.detail
    assert image_tags(repo) == [tag for tag in image_tags(repo) if "/prefix:" in tag]
    assert candidates() == []


def test_what_a_killed_command_has_not_verified_is_removed(engine: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    archive = subprocess.run(
        ("tar", "--create", "--directory", str(tmp_path), "file"), capture_output=True, check=True
    ).stdout
    gone = "1-1-00000000-00000000-1-1"
    with docker.engine() as client:
        for number, owner in enumerate([gone, str(scratch_folders.current_owner())]):
            client.api.import_image_from_data(
                archive, changes=[f"LABEL {CANDIDATE_LABEL}={owner} number={number}"]
            )
        try:
            assert engine_images.remove_abandoned(client) == 1
            (left,) = candidates()
            assert left.labels["number"] == "1"
        finally:
            for image in candidates():
                client.images.remove(image.id)


@contextmanager
def another_machine(engine: str, base: str) -> Iterator[None]:
    """Another engine, which has got the base image, under another umask."""
    saved = subprocess.run(("docker", "save", base), capture_output=True, check=True).stdout
    before = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", engine)
            patch.setenv("SOURCE_DATE_EPOCH", "1")
            subprocess.run(("docker", "load"), input=saved, check=True, capture_output=True)
            yield
    finally:
        os.umask(before)


def use_registry(repo: Repository, address: str, prefix: str) -> Repository:
    return replace(repo, settings=replace(repo.settings, registry=address), prefix=prefix)


def pushed_manifest(repo: Repository, env: Environment, address: str) -> tuple[str, dict[str, Any]]:
    """The digest and the content of the manifest that a registry has of an environment's image."""
    url = f"http://{address}/v2/{repo.prefix}/{env.name}/manifests/latest"
    with urlopen(Request(url, headers={"Accept": MANIFEST_TYPE}), timeout=30) as answer:
        return answer.headers["Docker-Content-Digest"], json.load(answer)


@pytest.mark.registry
def test_two_machines_push_the_same_manifest(
    repo: Repository, env: Environment, registry: str, blob_engine: str, tmp_path: Path
) -> None:
    first = use_registry(repo, registry, f"{repo.prefix}/first")
    outcome, statuses = assemble(first, env, push=True)
    assert outcome.code == 0, outcome.detail
    assert outcome.detail.endswith(", pushed")
    elsewhere = tmp_path / "another" / "folder"
    shutil.copytree(repo.root, elsewhere, symlinks=True)
    second = use_registry(replace(repo, root=elsewhere), registry, f"{repo.prefix}/second")
    second = replace(second, settings=replace(second.settings, cache=str(tmp_path / "cache")))
    assert "docker archive" in doctor._check_assembly().detail
    with another_machine(blob_engine, env.base.reference):
        assert "OCI layout" in doctor._check_assembly().detail
        outcome, _ = assemble(second, env, push=True)
    assert outcome.code == 0, outcome.detail
    assert pushed_manifest(first, env, registry) == pushed_manifest(second, env, registry)
    assert any("MB sent, 0 MB mounted" in status for status in statuses), statuses


@pytest.mark.registry
def test_services_with_the_same_torch_share_its_blobs(
    repo: Repository, env: Environment, registry: str
) -> None:
    other = replace(env.service, name="other", summary="Another service")
    write_files(
        {
            repo.root / "services/other/service.yaml": write.to_yaml(other),
            repo.root / "services/other/smoke.py": "import torch\n",
        }
    )
    opened = workspace.open_repository(repo.root)
    both = use_registry(
        replace(repo, services=opened.services, descriptions=opened.descriptions), registry, repo.prefix
    )
    (other_env,) = select_environments(both.services, service="other")
    assert not any(outcome.code for outcome in lock.lock(both, [other_env]))
    for environment in (env, other_env):
        outcome, statuses = assemble(both, environment, push=True)
        assert outcome.code == 0, outcome.detail
    manifests = [pushed_manifest(both, environment, registry)[1] for environment in (env, other_env)]
    layers, other_layers = (
        {layer["digest"]: layer["size"] for layer in manifest["layers"]} for manifest in manifests
    )
    own = {identity: size for identity, size in other_layers.items() if identity not in layers}
    assert sum(own.values()) < sum(other_layers.values()) / 100
    figures = re.search(r"(\d+) MB sent, (\d+) MB mounted", "\n".join(statuses))
    assert figures, statuses
    assert int(figures[1]) < int(figures[2]) / 10
