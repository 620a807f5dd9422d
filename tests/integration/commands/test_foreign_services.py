"""Three services that are not torchpin's, in a repository that `torchpin init` made: a whisper API, ComfyUI and vLLM.

The descriptions in tests/foreign/ are what somebody writes who has the reference alone. The wheel is installed, and its
commands make the repository and lock for real: PyPI's packages in full, torch's family as the recorded snapshots name it.
The images are those of the lab, which leaves out what is large. What stands for it: stubs for torch's family and a small base
image (the lab's own), a repository of two files for ComfyUI at its commit, and a script for vLLM's program. whisper's server
is the real one; without the package `openai-whisper` it is not asked to transcribe.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.git_repositories import git
from support.labs import OPTIONS, ROOT, image_tag
from torchpin.commands import clone, judge, lock
from torchpin.commands.build import build
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.lab import lab
from torchpin.model import CopiedFiles
from torchpin.tools import docker
from torchpin.tools.files import write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.installed_wheel import Installed
    from torchpin.model import Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]

FOREIGN = ROOT / "tests" / "foreign"
NEW = {"whisper": ("RTX 4090", "2.8"), "comfyui": ("RTX 4090", "2.8"), "llm": ("H100", "2.7.1")}
PROGRAM = "services/llm/vllm"
ANSWER_SECONDS = 60


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The address of a repository that stands for ComfyUI's, and its commit, which has no tag."""
    folder = tmp_path_factory.mktemp("comfyui")
    shutil.copytree(FOREIGN / "comfyui" / "source", folder / "work")
    git(folder, "init", "--quiet", "--initial-branch=master", "work")
    git(folder / "work", "add", ".")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git(folder / "work", *identity, "commit", "--quiet", "--message", "a")
    git(folder, "clone", "--quiet", "--bare", "work", "comfyui.git")
    return f"file://{folder}/comfyui.git", git(folder / "work", "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(
    installed: Installed, comfyui: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The three services, described and locked with the installed wheel."""
    root = tmp_path_factory.mktemp("foreign") / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    installed.run(root, "torchpin", "init")
    address, commit = comfyui
    for name, (gpu, torch) in NEW.items():
        installed.run(root, "torchpin", "new", "--service", name, "--gpu", gpu, "--torch", torch)
        ignore = shutil.ignore_patterns("source", "vllm")
        shutil.copytree(FOREIGN / name, root / "services" / name, dirs_exist_ok=True, ignore=ignore)
    description = root / "services/comfyui/service.yaml"
    description.write_text(description.read_text().replace("0" * 40, commit))
    installed.run(root, "torchpin", "lock", "--recorded", variables={"TORCHPIN_MIRROR_COMFYUI": address})
    return root


def lock_layers(root: Path, environment: str) -> dict[str, str]:
    """The texts of a lock's files, by the layer's name."""
    paths = (root / "lockfiles" / environment).glob("*.requirements.txt")
    return {path.name.split(".")[0]: path.read_text() for path in sorted(paths)}


def test_the_locks_are_whole_and_what_the_checks_say_is_to_be_expected(
    installed: Installed, repository: Path
) -> None:
    whisper = lock_layers(repository, "whisper-gpu")
    assert "\ntorch==2.8.0+cu126 " in whisper["00-torch"]
    for package in ("numba==", "openai-whisper==20250625 ", "starlette==0.47.3 "):
        assert f"\n{package}" in whisper["02-app"]
    comfyui = lock_layers(repository, "comfyui-gpu")
    assert "\ntorchaudio==2.8.0+cu126 " in comfyui["00-torch"]
    assert "\naiohttp==3." in comfyui["02-comfyui"]
    llm = lock_layers(repository, "llm-gpu")
    assert "\ntorch==2.7.1+cu126 " in llm["00-torch"]
    assert "\nvllm==0.10.0 " in llm["02-app"]
    assert sum(text.count("--hash=") for text in llm.values()) > 140

    results = json.loads(installed.run(repository, "torchpin", "verify", "--json", code=1))["results"]
    passing = {"ok", "not applicable", "skipped"}
    assert {(row["check"], row["status"]) for row in results if row["status"] not in passing} == {
        ("BAS002", "warning"),  # nobody has asked a registry for the digest of the base image
        ("SRC003", "unknown"),  # no fact says what the source needs beside its requirements
    }


def with_stand_ins(service: Service, commit: str) -> Service:
    """A service of the lab with the test's ComfyUI, all of whose requirements are installed, and its program of vLLM."""
    if service.name == "comfyui":
        sources = tuple(replace(source, commit=commit) for source in service.sources)
        return replace(service, sources=sources, imports=("torch", "torchvision", "aiohttp", "yaml"))
    if service.name == "llm":
        program = CopiedFiles(origin=PROGRAM, target="/usr/local/bin/vllm", mode="0755")
        return replace(service, files=(program,))
    return service


@pytest.fixture(scope="module")
def built(repository: Path, comfyui: tuple[str, str]) -> Iterator[Repository]:
    """The lab in which the three are locked, cloned, built and verified."""
    repo = workspace.open_repository(repository)
    messages: list[str] = []
    with lab.open_lab(repo, select_environments(repo.services), show_status=messages.append) as opened_lab:
        assert opened_lab.has_docker, messages
        scratch, (address, commit) = opened_lab.repo, comfyui
        services = [with_stand_ins(service, commit) for service in scratch.services]
        write_files({scratch.root / service.file: write.to_yaml(service) for service in services})
        write_files({scratch.root / PROGRAM: (FOREIGN / "llm" / "vllm").read_text()})
        mirrors = {**scratch.settings.mirrors, "comfyui": address}
        scratch = workspace.reread(replace(scratch, settings=replace(scratch.settings, mirrors=mirrors)))
        environments = select_environments(scratch.services)
        outcomes = [
            *lock.lock(scratch, environments),
            *clone.clone(scratch, environments),
            *build(scratch, environments, OPTIONS),
        ]
        assert not any(outcome.code for outcome in outcomes), outcomes
        yield scratch


@contextmanager
def started_container(tag: str) -> Iterator[Any]:
    """A container with the image's own command, without network but its loopback."""
    with docker.engine() as client:
        container = client.containers.run(tag, detach=True, network_mode="none")
        try:
            yield container
        finally:
            container.remove(force=True)


def answer(container: Any, address: str) -> dict[str, Any]:
    """The JSON that the container's server gives, asked from inside."""
    script = f"import urllib.request; print(urllib.request.urlopen('{address}').read().decode())"
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        code, output = container.exec_run(["python", "-c", script])
        if not code:
            document: dict[str, Any] = json.loads(output)
            return document
        container.reload()
        running = container.status == "running" and time.monotonic() < deadline
        assert running, (container.status, container.logs().decode(), output.decode())
        time.sleep(0.3)


@pytest.mark.parametrize(
    ("name", "address", "expected"),
    [
        ("whisper", "http://127.0.0.1:8000/health", {"torch": "2.8.0+cu126"}),
        (
            "comfyui",
            "http://127.0.0.1:8188/system_stats",
            {"pytorch_version": "2.8.0+cu126", "modules": ["einops", "yaml"], "base_directory": "/workspace"},
        ),
        (
            "llm",
            "http://127.0.0.1:8000/v1/models",
            {"data": [{"id": "Qwen/Qwen3-8B", "owned_by": "a stand-in for vllm", "torch": "2.7.1+cu126"}]},
        ),
    ],
)
def test_the_command_of_the_image_answers(
    built: Repository, name: str, address: str, expected: dict[str, Any]
) -> None:
    (env,) = select_environments(built.services, service=name)
    results = judge.verify(built, [env], require=["docker", "image"])
    assert judge.exit_code(results, require=["docker", "image"]) == 0, results
    with started_container(image_tag(built, env)) as container:
        assert answer(container, address) == expected


def test_own_code_is_in_the_last_layer_of_the_user_that_runs_it(built: Repository) -> None:
    """A change of the server installs nothing again."""
    (env,) = select_environments(built.services, service="whisper")
    layers = image_layers(image_tag(built, env))
    server = built.root / "services/whisper/server.py"
    server.write_text(server.read_text() + "# changed\n")
    (outcome,) = build(built, [env], OPTIONS)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    changed = image_layers(image_tag(built, env))
    same = sum(before == after for before, after in zip(layers, changed, strict=True))
    assert len(layers) - 3 <= same < len(layers)


def image_layers(tag: str) -> list[str]:
    with docker.engine() as client:
        layers: list[str] = client.images.get(tag).attrs["RootFS"]["Layers"]
    return layers
