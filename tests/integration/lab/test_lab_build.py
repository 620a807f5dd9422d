"""`build --lab`: what it runs of the user's own, what it keeps when it is asked to, and that a dry run makes nothing."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from support.labs import ROOT
from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.commands import install, lab_build, lock
from torchpin.commands.report import Watcher
from torchpin.commands.run_buildx import BuildOptions
from torchpin.commands.selection import Selection
from torchpin.description.environments import select_environments
from torchpin.lab import docker_engine, lab, leftovers, trial
from torchpin.lock import file_format
from torchpin.tools import docker, process
from torchpin.tools.files import write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.lab.trial import Attempt

LORA = Selection(service="lora")
SECONDS = 120  # for a lab to come to a moment, and to end
IMPORTS = "imports: [torch, torchvision, six]\n"


def write_small_repository(root: Path) -> None:
    """A service of six and jinja2, locked."""
    locks = file_format.lock_texts(make_lock(read_environment(DESCRIPTION + IMPORTS)))
    write_files({root / "lockfiles/lora-gpu" / name: text for name, text in locks.items()})
    write_files({root / "services/lora/service.yaml": DESCRIPTION + IMPORTS})
    write_files({root / "services/lora/smoke.py": "import six\n"})


@pytest.fixture(scope="module")
def small_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A lab of the small service without an image, installed."""
    root = tmp_path_factory.mktemp("own")
    write_small_repository(root)
    repo = workspace.open_repository(root)
    with lab.open_lab(
        repo, select_environments(repo.services), docker=False, show_status=lambda _: None
    ) as opened_lab:
        assert not any(outcome.code for outcome in lock.lock(opened_lab.repo, opened_lab.environments))
        install.install(opened_lab.repo, opened_lab.environments[0])
        yield opened_lab


def attempts(opened_lab: lab.Lab, smoke: str) -> dict[str, Attempt]:
    write_files({opened_lab.original.root / "services/lora/smoke.py": smoke})
    return {
        attempt.what.partition(":")[0]: attempt
        for attempt in trial.try_out(opened_lab, *opened_lab.environments)
    }


@pytest.mark.network
@pytest.mark.parametrize(
    ("smoke", "what", "status", "detail"),
    [
        ("import six, torch\nprint('six is', six.__name__)\n", "services/lora/smoke.py", "ran", "passed: six is six"),
        ("import torch\n\ntorch.ones(1)\n", "services/lora/smoke.py:3", "stopped", "skipped from here on, as expected: torch.ones is not in the stub of torch"),
        ("import six\n\n\ndef main():\n    assert six.PY2\n\n\nmain()\n", "services/lora/smoke.py:5", "failed", "failed with exit code 1\n    Traceback"),
        ("import sixx\n", "services/lora/smoke.py:1", "failed", "failed with exit code 1\n    Traceback"),
        ("raise SystemExit(3)\n", "services/lora/smoke.py", "failed", "failed with exit code 3"),
    ],
)  # fmt: skip
def test_the_users_own_smoke_test_runs_on_what_is_there(
    small_lab: lab.Lab, smoke: str, what: str, status: str, detail: str
) -> None:
    attempt = attempts(small_lab, smoke)["services/lora/smoke.py"]
    assert (attempt.what, attempt.status) == (what, status), attempt
    assert attempt.detail.startswith(detail)


@pytest.mark.network
def test_the_imports_are_tried_and_stubs_are_counted(small_lab: lab.Lab) -> None:
    imports = attempts(small_lab, "")["imports"]
    assert (imports.status, imports.detail) == (
        "ran",
        "3 of 3 load (2 as stubs)",
    )
    assert small_lab.scope(small_lab.environments[0]).real == ("jinja2", "six")


def test_a_dry_run_makes_nothing_and_asks_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for place, name in (
        (process, "run"),
        (docker, "engine"),
        (tempfile, "mkdtemp"),
        (leftovers, "clear_leftovers"),
    ):
        monkeypatch.setattr(place, name, lambda *_, **__: pytest.fail("something was run"))
    lines: list[str] = []
    report = lab_build.plan_in_lab(LORA, BuildOptions(lab=True, dry_run=True), Watcher(status=lines.append))
    (outcome,) = report.outcomes
    assert (outcome.name, outcome.status, report.exit_code) == ("lora-gpu", "same", 0)
    assert outcome.detail.startswith("would make the stubs, lock, clone, render and build an image")
    assert [line.partition(";")[0] for line in lines] == ["lab: lora-gpu with 19 of its 90 packages"]


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.usefixtures("empty_engine")
def test_what_is_kept_is_named_survives_the_next_lab_and_goes_as_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_small_repository(tmp_path / "own")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.chdir(tmp_path / "own")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    lines: list[str] = []
    report = lab_build.build_in_lab(LORA, BuildOptions(lab=True, keep=True), Watcher(status=lines.append))
    assert report.exit_code == 0, report
    assert lines[0].startswith(
        "lab: lora-gpu with 2 of its 4 packages; stubs for torch, torchvision and the base"
    )
    assert report.summary.startswith(
        "ok: lora-gpu: built and checked in the lab: 2 of 4 packages, with stubs for torch, torchvision and the base image"
    )
    assert report.summary.endswith(
        "\nnext: `invoke judge --service lora`, or the same command without `--lab`"
    )
    assert "lab: lora-gpu: services/lora/smoke.py: passed" in lines
    assert "lab: lora-gpu: start of the container: still runs after 5 s, and was ended" in lines
    (folder,) = temporary.iterdir()
    image = f"torchpin-lab/kept-{folder.name.rpartition('-')[2].replace('_', '0')}/lora-gpu:latest"
    *_, place, started, removal = lines
    assert place.startswith(f"lab: kept {folder}/monorepo, with ")
    assert started.startswith(f"lab: kept {image}; ")
    assert sorted(path.name for path in (folder / "monorepo/records/lora-gpu").iterdir()) == [
        "build.json", "pip_freeze.txt", "sbom.cdx.json",
    ]  # fmt: skip
    leftovers.clear_leftovers(lines.append, uses_docker=True)
    with docker.engine() as client:
        assert docker_engine.list_tags(client, "torchpin-lab/") == [image]
        subprocess.run(
            removal.split("`")[1], shell=True, check=True, stdout=subprocess.DEVNULL
        )  # as it stands there
        assert docker_engine.list_tags(client, "torchpin-lab/") == []
        assert docker_engine.build_cache_ids(client) == frozenset()
    assert [*temporary.iterdir()] == []


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.usefixtures("empty_engine")
def test_a_lab_whose_terminal_is_closed_clears_up(tmp_path: Path) -> None:
    """Its output goes, and the system sends SIGHUP to all that it has started."""
    command = (sys.executable, "-m", "invoke", "build", "--lab", "--service", "lora")
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path)}
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.chdir(ROOT)
        os.execve(command[0], command, environ)
    await_text(terminal, b"building; log:")
    os.close(terminal)
    assert exit_code(process_id) == 130
    assert [*tmp_path.iterdir()] == []
    with docker.engine() as client:
        assert docker_engine.list_tags(client, "torchpin-lab/") == []
        assert client.containers.list(all=True) == []
        assert docker_engine.build_cache_ids(client) == frozenset()


def await_text(terminal: int, text: bytes) -> None:
    printed, deadline = b"", time.monotonic() + SECONDS
    while text not in printed:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, printed.decode()
        printed += os.read(terminal, 4096)


def exit_code(process_id: int) -> int:
    deadline = time.monotonic() + SECONDS
    while (ended := os.waitpid(process_id, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(process_id, signal.SIGKILL)
        time.sleep(0.05)
    return os.waitstatus_to_exitcode(ended[1])
