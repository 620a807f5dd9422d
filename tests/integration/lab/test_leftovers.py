"""Labs that are killed with SIGKILL, with a real engine: the next lab clears what they left, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.faults.privileges import run_privileged
from support.faults.trial import session_processes
from support.labs import ROOT
from torchpin.description.environments import select_environments
from torchpin.lab import docker_engine, lab, leftovers
from torchpin.tools import docker, scratch
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.tools.docker import Client

NO_PROCESS = 2**22 + 1
MOMENT_SECONDS = 300  # for a lab to come to a moment
SECONDS_TO_BEGIN = 1  # within which the engine has begun what a killed lab asked for last
END_SECONDS = 120  # for what a killed lab started to end


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """What an engine holds."""

    tags: frozenset[str]
    containers: frozenset[str]
    cache: frozenset[str]


def engine_state() -> EngineState:
    with docker.engine() as client:
        return EngineState(
            tags=frozenset(docker_engine.list_tags(client, "")),
            containers=frozenset(container.id or "" for container in client.containers.list(all=True)),
            cache=docker_engine.build_cache_ids(client),
        )


def is_making_base(folder: Path, client: Client, before: EngineState) -> bool:
    return any(folder.glob("torchpin-base-*/tree/usr"))


def has_base(folder: Path, client: Client, before: EngineState) -> bool:
    return not before.tags.issuperset(docker_engine.list_tags(client, f"{leftovers.IMAGE_PREFIX}/"))


def is_building(folder: Path, client: Client, before: EngineState) -> bool:
    rows = client.api.df().get("BuildCache") or []
    return any(
        row["Description"].startswith("mount / from exec") and row["ID"] not in before.cache for row in rows
    )


MOMENTS: dict[str, Callable[[Path, Client, EngineState], bool]] = {
    "while it makes its base image": is_making_base,
    "with its base image": has_base,
    "while it builds": is_building,
}


@contextmanager
def started_lab(folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`build --lab` of this repository, its temporary files in a folder; it is gone at the end."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(folder), **variables}
    process = subprocess.Popen(
        (sys.executable, "-m", "invoke", "build", "--lab", "--service", "lora"),
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            deadline = time.monotonic() + END_SECONDS
            while session_processes(process.pid) and time.monotonic() < deadline:
                time.sleep(0.1)


def kill_lab(
    folder: Path, before: EngineState, is_moment: Callable[[Path, Client, EngineState], bool]
) -> None:
    """A lab that is killed at a moment; what it started has ended. The engine may hold what other tests made before."""
    # without what is kept of a base image, where the lab is to be making one
    variables = {"TORCHPIN_CACHE": f"{folder.parent}/cache"} if is_moment is is_making_base else {}
    with started_lab(folder, **variables) as process, docker.engine() as client:
        deadline = time.monotonic() + MOMENT_SECONDS
        while not is_moment(folder, client, before):
            assert process.poll() is None, "the lab ended before the moment"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        time.sleep(SECONDS_TO_BEGIN)
        while {
            container.id for container in client.containers.list()
        } - before.containers:  # they end by themselves
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert session_processes(process.pid) == []


@contextmanager
def open_next_lab(messages: list[str], *, uses_docker: bool = True) -> Iterator[lab.Lab]:
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services, service="lora")
    with lab.open_lab(repo, environments, docker=uses_docker, show_status=messages.append) as opened_lab:
        yield opened_lab


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, where what was killed this moment counts as old."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(scratch, "DEAD_AFTER", 0)
    return folder


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.usefixtures("empty_engine")
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_lab_clears_what_a_killed_one_left(moment: str, temporary: Path) -> None:
    """Folders, images, containers, build cache and mounts; it says so in one line."""
    before = engine_state()
    kill_lab(temporary, before, MOMENTS[moment])
    left = {path.name.rpartition("-")[0] for path in temporary.iterdir()}
    assert "torchpin-lab" in left
    messages: list[str] = []
    with open_next_lab(messages) as opened_lab:
        assert opened_lab.has_docker
        assert [path.name for path in temporary.iterdir()] == [opened_lab.repo.root.parent.name]
        tags = engine_state().tags - before.tags
        assert all(tag.startswith(f"{opened_lab.repo.prefix}/") for tag in tags), tags
    cleared = [
        message for message in messages if message.startswith("lab: cleared what killed commands left: ")
    ]
    assert len(cleared) == 1, messages
    assert ("image" in cleared[0]) == (moment != "while it makes its base image")
    assert ("build cache" in cleared[0]) == (moment == "while it builds")
    assert engine_state() == before
    assert [*temporary.iterdir()] == []
    assert str(temporary) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.docker
@pytest.mark.usefixtures("empty_engine")
def test_what_is_not_a_killed_labs_is_left_alone(temporary: Path) -> None:
    """A user's image with such a name, a running lab's, and those that a container uses, running or ended."""
    dead = scratch.Owner(pid=NO_PROCESS, started=1, machine="0" * 8, boot="0" * 8, namespace=1, created=1)
    alive, killed = scratch.current_owner(), str(dead)
    names = ("mine/base:1", f"{alive}/base:1", f"{killed}/used:1", f"{killed}/unused:1", f"{killed}x/base:1")
    tags = [f"{leftovers.IMAGE_PREFIX}/{name}" for name in names]
    before = engine_state()
    with docker.engine() as client:
        for tag in tags:
            archive = temporary / "empty.tar"
            subprocess.run(("tar", "--create", "--file", archive, "--files-from", os.devnull), check=True)
            (temporary / "name").write_text(tag)
            subprocess.run(
                ("tar", "--append", "--file", archive, "--directory", temporary, "name"), check=True
            )
            docker_engine.import_tree(client, archive, tag)
        users = client.containers.create(tags[2], ["sh"])
        own = client.containers.create(tags[3], ["sh"], labels=[docker.RUN_LABEL])
        messages: list[str] = []
        try:
            leftovers.clear_leftovers(messages.append, uses_docker=True)
            assert engine_state().tags - before.tags == {*tags[:3], tags[4]}
            assert messages == ["lab: cleared what killed commands left: 1 container, 1 image"]
            assert own.id not in {container.id for container in client.containers.list(all=True)}
        finally:
            users.remove()
            docker.remove_tags(client, tags)


def test_a_lab_that_runs_is_left_alone_and_works_on(temporary: Path) -> None:
    messages: list[str] = []
    with open_next_lab([], uses_docker=False) as first:
        with open_next_lab(messages, uses_docker=False):
            pass
        assert first.repo.text("services/lora/service.yaml")
    assert not any("cleared" in message for message in messages)
    assert [*temporary.iterdir()] == []


def test_a_lab_of_another_process_is_left_alone_while_it_runs(temporary: Path) -> None:
    with started_lab(temporary) as process:
        deadline = time.monotonic() + MOMENT_SECONDS
        while not any(temporary.glob(f"torchpin-lab-*/{scratch.MARKER}")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (folder,) = temporary.glob("torchpin-lab-*")
        messages: list[str] = []
        leftovers.clear_leftovers(messages.append, uses_docker=False)
        assert messages == []
        assert process.poll() is None
        assert folder.is_dir()
    leftovers.clear_leftovers(messages.append, uses_docker=True)
    assert not folder.exists()


def plant_folder(parent: Path) -> Path:
    """What a lab whose process is gone left."""
    folder = parent / "torchpin-lab-abcd1234"
    (folder / "monorepo" / "proc").mkdir(parents=True)
    owner = scratch.Owner(pid=NO_PROCESS, started=1, machine="0" * 8, boot="0" * 8, namespace=1, created=1)
    (folder / scratch.MARKER).write_text(str(owner))
    return folder


def test_without_the_engine_that_knows_its_build_cache_a_folder_waits(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a day: then it goes all the same."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{temporary}/none.sock")
    folder = plant_folder(temporary)
    leftovers.note_build_cache(folder, frozenset())
    young = replace(scratch.current_owner(), pid=NO_PROCESS)
    (folder / scratch.MARKER).write_text(str(young))
    time.sleep(0.01)
    messages: list[str] = []
    leftovers.clear_leftovers(messages.append, uses_docker=False)
    assert folder.is_dir()
    assert messages == []
    (folder / scratch.MARKER).write_text(str(replace(young, created=1)))
    leftovers.clear_leftovers(messages.append, uses_docker=False)
    assert messages == ["lab: cleared what killed commands left: 1 folder"]
    assert [*temporary.iterdir()] == []


@contextmanager
def mounted(point: Path, *options: str) -> Iterator[None]:
    if reason := run_privileged("mount", *options, str(point)):
        (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)(f"mount: {reason}")
    try:
        yield
    finally:
        if str(point) in Path("/proc/self/mountinfo").read_text():
            assert run_privileged("umount", str(point)) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes such mounts, and removes them")
def test_what_a_killed_lab_mounted_is_unmounted(temporary: Path) -> None:
    folder = plant_folder(temporary)
    with mounted(folder / "monorepo" / "proc", "-t", "proc", "proc"):
        messages: list[str] = []
        leftovers.clear_leftovers(messages.append, uses_docker=False)
        assert messages == ["lab: cleared what killed commands left: 1 folder"]
        assert [*temporary.iterdir()] == []
        assert str(temporary) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes such mounts")
def test_a_mounted_folder_of_files_is_never_entered(temporary: Path, tmp_path: Path) -> None:
    """It is named, and stays with all that is in it."""
    folder, mine = plant_folder(temporary), tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine\n")
    with mounted(folder / "monorepo" / "proc", "--bind", str(mine)):
        messages: list[str] = []
        leftovers.clear_leftovers(messages.append, uses_docker=False)
        (message,) = messages
        assert message.startswith("lab: what a killed command left stays: ")
        assert message.endswith(f"monorepo/proc is mounted; unmount it, then remove {folder}")
        assert (folder / "monorepo" / "proc" / "file").read_text() == "mine\n"
    assert (mine / "file").read_text() == "mine\n"
