"""Every command that README.md names, in a clean clone that its first lines have set up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.readme import Elsewhere, Run, read_commands, read_task_options
from torchpin.cli.main import namespace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

pytestmark = [pytest.mark.docker, pytest.mark.network]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BOOTSTRAP = "python3 bootstrap.py"
AT_ONCE = 3
REAL_BUILD = "needs PyTorch's index, Docker Hub and GitHub, and tens of gigabytes"
REAL_FAMILY = "PyTorch's index is replaced by its recorded snapshots"

# Where the place is `changed` or `own`, the order counts.
TABLE: Mapping[str, Run | Elsewhere] = {
    # Quick start
    "git clone https://github.com/torchpin/torchpin": Elsewhere(
        reason="the clone is that of this checkout", test="tests/integration/test_readme.py"
    ),
    "cd torchpin": Elsewhere(reason="all commands run in the clone", test="tests/integration/test_readme.py"),
    f"{BOOTSTRAP} invoke build --service lora --lab": Run(
        text="lab: locked, cloned, rendered, built and verified as an image, documented", engine=True
    ),
    f"{BOOTSTRAP} nox": Run(
        text="* integration -> ", command=f"{BOOTSTRAP} nox --list", reason="it runs this test"
    ),
    f"{BOOTSTRAP} invoke build --service lora": Run(
        text="would run: docker buildx build ",
        command=f"{BOOTSTRAP} invoke build --service lora --dry-run",
        engine=True,
        reason=REAL_BUILD,
    ),
    f"{BOOTSTRAP} invoke install --service lora": Run(
        text="installed and verified",
        command=f"{BOOTSTRAP} invoke install --service lora --lab",
        reason=REAL_BUILD,
    ),
    "invoke install --service coaxial --variant cpu": Run(
        text="installed and verified",
        command="invoke install --service coaxial --variant cpu --lab",
        reason=REAL_BUILD,
    ),
    f"{BOOTSTRAP} COMMAND": Run(text="Invoke ", command=f"{BOOTSTRAP} invoke --version"),
    ". .venv/bin/activate": Run(
        text="/clone/.venv/bin/invoke", command="sh -c '. .venv/bin/activate && command -v invoke'"
    ),
    "invoke": Run(text="Usage: "),
    "nox": Run(text="* integration -> ", command="nox --list", reason="it runs this test"),
    # In your own repository
    "pip install torchpin": Elsewhere(
        reason="it is not published yet; the wheel is installed", test="tests/integration/test_wheel.py"
    ),
    "pipx install torchpin": Elsewhere(
        reason="the same in an environment of pipx", test="tests/integration/test_wheel.py"
    ),
    "uvx torchpin": Run(
        text="torchpin ", command="uvx --from . torchpin --version", reason="it is not published yet"
    ),
    "torchpin init": Run(text="next: `torchpin new --service NAME`", place="own"),
    "torchpin new --service whisper": Run(text="done   services/whisper/service.yaml", place="own"),
    "torchpin lock --service whisper": Run(
        text="done   whisper-gpu ",
        command="torchpin lock --service whisper --recorded",
        place="own",
        reason=REAL_FAMILY,
    ),
    "torchpin add whisper fastapi": Run(
        text="in layer app of services/whisper/service.yaml",
        command="torchpin add whisper fastapi --recorded",
        place="own",
        reason=REAL_FAMILY,
    ),
    "torchpin build --service whisper --lab": Run(
        text="built and verified as an image", place="own", engine=True
    ),
    "torchpin verify": Run(text="is not pinned by digest", code=1, place="own"),
    "torchpin TASK": Run(text="whisper-gpu", command="torchpin services", place="own"),
    "torchpin eject template": Run(text="done   docker/Dockerfile.j2", place="own"),
    "torchpin eject runtime": Run(text="done   docker/runtime/start.sh", place="own"),
    "invoke TASK": Run(text="whisper-gpu", command="invoke support", place="own"),
    "nox -s verify": Run(text="Session verify was successful", command="nox -s verify -- --service coaxial"),
    # Tasks
    "invoke --list": Run(text="Check this machine"),
    "invoke TASK --help": Run(text="--gpu", command="invoke judge --help"),
    "invoke lock": Run(
        text="same   coaxial-cpu ",
        command="invoke lock --recorded --service coaxial",
        place="changed",
        reason=REAL_FAMILY,
    ),
    "invoke lock --check": Run(text="no findings"),
    "invoke clone": Run(
        text="third_party/sd-scripts",
        command="invoke clone --lab --service lora",
        reason="needs GitHub",
    ),
    "invoke render": Run(text="same   docker/lora-gpu/Dockerfile", place="changed"),
    "invoke render --check": Run(text="no findings"),
    "invoke build": Run(
        text="coaxial-arm64", command="invoke build --dry-run", engine=True, reason=REAL_BUILD
    ),
    "invoke build --service lora": Elsewhere(
        reason="the same with bootstrap.py before it", test="tests/integration/test_readme.py"
    ),
    "invoke build --provenance": Run(
        text="--provenance",
        command="invoke build --provenance --service lora --dry-run",
        engine=True,
        reason=REAL_BUILD,
    ),
    "invoke bake": Run(text='"io.torchpin.key"', command="invoke bake --print", reason=REAL_BUILD),
    "docker buildx bake": Elsewhere(
        reason="builds the images", test="tests/integration/commands/test_bake.py"
    ),
    "invoke plan --service lora": Run(
        text="largest packages:", command="invoke plan --service lora --offline"
    ),
    "invoke affected --since HEAD~1": Run(text="environments affected since "),
    "invoke install --service lora": Elsewhere(
        reason="the same with bootstrap.py before it", test="tests/integration/test_readme.py"
    ),
    "invoke run": Run(text="`invoke run` needs SERVICE", code=2),
    "invoke run --service lora": Run(text="lora-gpu is not built from its description", code=1, engine=True),
    "invoke freeze": Run(text="lora-gpu is not built from its description", code=1, engine=True),
    "invoke init": Run(text="kept   tasks.py", place="changed"),
    "invoke eject template": Run(text="done   docker/Dockerfile.j2", place="changed"),
    "invoke new --service NAME": Run(
        text="done   services/name/service.yaml",
        command="invoke new --service name --gpu B200 --torch 2.9 --python 3.12",
        place="changed",
    ),
    "invoke schema": Run(text='"title": "torchpin service"'),
    "invoke completion bash": Run(text="complete -o default -F _invoke_completion invoke"),
    "invoke add whisper fastapi": Elsewhere(
        reason="the same as torchpin's command", test="tests/integration/test_readme.py"
    ),
    "invoke remove whisper fastapi": Run(
        text="-      - fastapi==",
        command="invoke remove whisper fastapi --recorded",
        place="own",
        reason=REAL_FAMILY,
    ),
    "invoke remove --service NAME": Run(
        text="services/name/service.yaml",
        command="invoke remove --service name --everything",
        place="changed",
    ),
    "invoke verify": Run(text=" checks of 7 environments passed"),
    "invoke document": Run(text="same   docs/PINNING.md", place="changed"),
    "invoke services": Run(text="lora-gpu"),
    "invoke doctor": Run(text="Python"),
    "invoke judge": Run(text="the pins of 5 services can work"),
    "invoke explain GPU001": Run(text="GPU001: "),
    "invoke why lora torch": Run(text="declared at: services/lora/service.yaml"),
    "invoke support": Run(text="lora-gpu"),
    "invoke facts --check": Run(text="problems: 0"),
    "invoke check [FILES]": Run(
        text="1 break, ", code=1, command="invoke check tests/adopt/training-unquoted"
    ),
    "invoke adopt PATH": Run(text="# Drafted from ", command="invoke adopt tests/adopt/plain-pypi"),
    "invoke outdated": Run(text="updates available", command="invoke outdated --service zopilot"),
    "invoke bump": Run(text="`invoke bump` needs WHAT", code=2),
    "invoke bump torch==2.7.1": Run(
        text="lora: nothing to change: torch is already at 2.7.1",
        command="invoke bump torch==2.7.1 --dry-run --offline",
        reason="an update of all services builds their images",
    ),
    "invoke diff HEAD~1 .": Run(text="lora-gpu: "),
    "invoke audit": Run(
        text="the advisory service could not be queried",
        code=3,
        command="invoke audit --service zopilot",
        variables={"TORCHPIN_MIRROR_ADVISORIES": "http://127.0.0.1:9"},
        reason="what is vulnerable changes; test_audit.py has a service that answers",
    ),
    "invoke export --service lora": Run(text="--hash=sha256:"),
    "invoke export --service lora --format cyclonedx": Run(text='"bomFormat": "CycloneDX"'),
    # Bumps
    "invoke bump torch==2.8.0 --service lora --dry-run": Run(
        text="2.7.1 -> 2.8.0",
        command="invoke bump torch==2.8.0 --service lora --dry-run --recorded",
        reason=REAL_FAMILY,
    ),
    "invoke bump vllm==0.10.0 tqdm==4.67.1": Run(text="no service pins vllm", code=2),
    "invoke bump --resume": Run(text="its steps stay pending", code=3, reason=REAL_BUILD),
    "invoke bump --undo": Run(text="no update to undo", code=2, place="changed"),
    # the rest
    "uv auth login": Elsewhere(
        reason="asks for a password; what it stores is uv's own",
        test="tests/integration/tools/test_uv_machine.py",
    ),
    "nox -s requirements": Run(
        text="Session requirements was successful",
        command="nox -s requirements -- --check",
        reason="newer packages change what it writes",
    ),
}
RUNS = {command: row for command, row in TABLE.items() if isinstance(row, Run)}


@dataclass(frozen=True)
class Places:
    """The folders that commands run in, by name, and the environment's programs."""

    folder: Path
    programs: Path

    def run(self, command: str, row: Run) -> tuple[int, str]:
        """Exit code and output."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TORCHPIN_", "PYTHON")) and name != "VIRTUAL_ENV"
        } | {"PATH": os.pathsep.join([str(self.programs), os.environ["PATH"]]), **row.variables}
        if not row.engine:
            environ["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
        completed = subprocess.run(
            row.command or command,
            shell=True,
            cwd=self.folder / row.place,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=500,
        )
        return completed.returncode, completed.stdout


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two clones of the checkout with its README.md, the first set up as that says, and an empty folder in git."""
    folder = tmp_path_factory.mktemp("readme")
    for place in ("clone", "changed"):
        subprocess.run(("git", "clone", "--quiet", str(ROOT), str(folder / place)), check=True)
        shutil.copy(ROOT / "README.md", folder / place)
    subprocess.run(("git", "init", "--quiet", str(folder / "own")), check=True)
    command = (sys.executable, "bootstrap.py", "invoke", "--version")
    subprocess.run(command, cwd=folder / "clone", check=True, capture_output=True, timeout=300)
    return Places(folder=folder, programs=folder / "clone" / ".venv" / "bin")


@pytest.fixture(scope="module")
def results(places: Places) -> Mapping[str, tuple[int, str]]:
    """Exit code and output of every command; those that only read run side by side."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        chains = [pool.submit(run_chain, places, place) for place in ("own", "changed")]
        reading: dict[str, Future[tuple[int, str]]] = {
            command: pool.submit(places.run, command, row)
            for command, row in RUNS.items()
            if row.place == "clone"
        }
        outcomes = {command: future.result() for command, future in reading.items()}
        for chain in chains:
            outcomes |= chain.result()
    return outcomes


def run_chain(places: Places, place: str) -> dict[str, tuple[int, str]]:
    return {command: places.run(command, row) for command, row in RUNS.items() if row.place == place}


def test_every_command_has_a_row_and_every_row_a_command() -> None:
    assert read_commands(README) == {*TABLE}
    for row in TABLE.values():
        assert isinstance(row, Run) or (ROOT / row.test).exists()


def test_tasks_have_the_options_that_the_table_of_tasks_names() -> None:
    tasks = read_task_options(README)
    assert {*tasks} == {*namespace.task_names}
    for task, options in tasks.items():
        flags = {flag for argument in namespace[task].get_arguments() for flag in argument.names}
        assert {option[2:] for option in options} <= {name.replace("_", "-") for name in flags}, task


@pytest.mark.parametrize("command", RUNS)
def test_the_command_does_what_it_says(results: Mapping[str, tuple[int, str]], command: str) -> None:
    code, output = results[command]
    assert (code, RUNS[command].text in output) == (RUNS[command].code, True), output[-4000:]


def test_commands_that_read_leave_the_clone_as_it_was(
    places: Places, results: Mapping[str, tuple[int, str]]
) -> None:
    command = ("git", "-C", str(places.folder / "clone"), "status", "--porcelain", "--", ":!README.md")
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
