"""Every command that README.md and the guide name, in a clean clone that the first lines of README.md have set up."""

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
import readme

from support.readme import Elsewhere, Run, read_commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

pytestmark = [pytest.mark.docker, pytest.mark.network]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = [
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")) if path.name.islower()
]
BOOTSTRAP = "python3 bootstrap.py"
AT_ONCE = 3
REAL_BUILD = "needs PyTorch's index, Docker Hub and GitHub, and tens of gigabytes"
REAL_FAMILY = "PyTorch's index is replaced by its recorded snapshots"

SCREENS = readme.screens(README)
COMPARED = Elsewhere(reason="its whole output is compared", test="tests/integration/test_readme.py")
SET_UP = Elsewhere(reason="the clone is that of this checkout", test="tests/integration/test_readme.py")

# Where the place is `changed`, `own` or `project`, the order counts.
TABLE: Mapping[str, Run | Elsewhere] = {
    # README.md, start.md
    **{command: COMPARED for command, output in SCREENS.items() if output},
    "git clone https://github.com/torchpin/torchpin": SET_UP,
    "cd torchpin": SET_UP,
    f"{BOOTSTRAP} invoke build --service lora --lab": Run(
        text="lora-gpu: built and checked in the lab: 19 of 90 packages, with stubs for torch", engine=True
    ),
    f"{BOOTSTRAP} nox": Run(
        text="* integration -> ", command=f"{BOOTSTRAP} nox --list", reason="it runs this test"
    ),
    f"{BOOTSTRAP} invoke build --service lora": Run(
        text="would build torchpin/lora-gpu:",
        command=f"{BOOTSTRAP} invoke build --service lora --dry-run",
        engine=True,
        reason=REAL_BUILD,
    ),
    f"{BOOTSTRAP} invoke COMMAND": Run(text="lora-gpu", command=f"{BOOTSTRAP} invoke services"),
    f"{BOOTSTRAP} COMMAND": Run(text="Invoke ", command=f"{BOOTSTRAP} invoke --version"),
    ". .venv/bin/activate": Run(
        text="/clone/.venv/bin/invoke", command="sh -c '. .venv/bin/activate && command -v invoke'"
    ),
    "invoke": Run(text="Usage: "),
    "invoke COMMAND": Run(text="coaxial-gpu", command="invoke support"),
    "torchpin": Run(text="Usage: "),
    "nox": Run(text="* integration -> ", command="nox --list", reason="it runs this test"),
    "nox -s docs": Run(text="* docs -> ", command="nox --list", reason="it installs what makes the site"),
    "pip install torchpin": Elsewhere(
        reason="it is not published yet; the wheel is installed", test="tests/integration/test_wheel.py"
    ),
    "pipx install torchpin": Elsewhere(
        reason="the same in an environment of pipx", test="tests/integration/test_wheel.py"
    ),
    "uvx torchpin": Run(
        text="torchpin ", command="uvx --from . torchpin --version", reason="it is not published yet"
    ),
    "torchpin COMMAND": Run(text="lora-gpu", command="torchpin services"),
    "torchpin init": Run(text="next: `torchpin new --service NAME`", place="own"),
    "torchpin new --service whisper --gpu B200": Run(
        text="done   services/whisper/service.yaml", place="own"
    ),
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
        text="whisper-gpu: built and checked in the lab: ", place="own", engine=True
    ),
    "torchpin verify": Run(text="is not pinned by digest", code=1, place="own"),
    "torchpin doctor": Run(text="Python"),
    "torchpin explain GPU001": Run(text="docs/CHECKS.md#gpu001"),
    'torchpin explain "MESSAGE"': Run(
        text="Fix: choose a channel with code for the GPU",
        command='torchpin explain "no kernel image is available for execution on the device"',
    ),
    # adopt.md
    "torchpin check Dockerfile requirements.txt": Run(
        text="error[ADO001] Dockerfile:4:",
        code=1,
        command="touch requirements.txt && torchpin check Dockerfile requirements.txt",
        place="project",
        reason="there is no second file in the example",
    ),
    "torchpin check --baseline known.json --write-baseline": Run(text="known.json", place="project"),
    "torchpin check --fix": Run(text="Dockerfile", code=1, place="project"),
    "torchpin check --unsafe-fixes": Run(text="wrote Dockerfile", place="project"),
    "torchpin adopt .": Run(text="# Drafted from Dockerfile", place="project"),
    "torchpin adopt . --write services/trainer": Run(
        text="done   services/trainer/service.yaml",
        command="torchpin init && torchpin adopt . --write services/trainer",
        place="project",
        reason="in a repository of services",
    ),
    "torchpin judge --service trainer": Run(
        text="the pins of trainer can work, with warnings", code=1, place="project"
    ),
    "torchpin judge --service trainer --gpu B200": Run(text="error[GPU001]", code=1, place="project"),
    "torchpin judge --service trainer --gpu B200 --driver 550.54.14": Run(
        text="error[GPU001]", code=1, place="project"
    ),
    "torchpin lock --service trainer": Run(
        text="done   trainer-gpu ",
        command="torchpin lock --service trainer --recorded",
        place="project",
        reason=REAL_FAMILY,
    ),
    "torchpin build --service trainer --lab": Elsewhere(
        reason="the same as for another adopted project",
        test="tests/integration/cli/test_adopt_and_build.py",
    ),
    # describe.md
    "torchpin remove whisper fastapi": Run(
        text="-      - fastapi==",
        command="torchpin remove whisper fastapi --recorded",
        place="own",
        reason=REAL_FAMILY,
    ),
    "torchpin eject template": Run(text="done   docker/Dockerfile.j2", place="own"),
    "torchpin eject runtime": Run(text="done   docker/runtime/start.sh", place="own"),
    "torchpin remove --service whisper": Run(
        text="services/whisper/service.yaml",
        command="torchpin remove --service whisper --everything",
        place="own",
        reason="it was never committed",
    ),
    "torchpin run --service lora": Run(
        text="lora-gpu is not built from its description", code=1, engine=True
    ),
    "torchpin schema": Run(text='"title": "torchpin service"'),
    # ci.md, before a service is added
    "torchpin document": Run(text="same   docs/PINNING.md", place="changed"),
    # torch-builds.md, waive.md
    "torchpin support": Run(text="lora-gpu"),
    "torchpin support --gpu B200": Run(text="lora-gpu"),
    "torchpin judge --gpu B200": Run(
        text="error[GPU001] zopilot-gpu (--gpu B200): torch 2.5.1+cu124", code=1
    ),
    "torchpin new --service whisper --gpu B200 --torch 2.9": Run(
        text="done   services/whisper/service.yaml", place="changed"
    ),
    "torchpin why lora torch -v": Run(text="declared at: services/lora/service.yaml"),
    "torchpin why lora accelerate": Run(text="declared at: services/lora/service.yaml"),
    "torchpin facts --check": Run(text="problems: 0"),
    "torchpin judge --fix": Run(text="services/whisper/service.yaml", code=1, place="changed"),
    # lock.md
    "torchpin lock": Run(
        text="same   coaxial-cpu ",
        command="torchpin lock --recorded --service coaxial",
        place="changed",
        reason=REAL_FAMILY,
    ),
    "torchpin lock --check": Run(text="nothing is wrong: "),
    "torchpin outdated": Run(text="updates available", command="torchpin outdated --service zopilot"),
    "torchpin audit": Run(
        text="the advisory service could not be queried",
        code=3,
        command="torchpin audit --service zopilot",
        variables={"TORCHPIN_MIRROR_ADVISORIES": "http://127.0.0.1:9"},
        reason="what is vulnerable changes; test_audit.py has a service that answers",
    ),
    "torchpin export --service lora": Run(text="--hash=sha256:"),
    "torchpin export --service lora --format pylock": Run(text="[[packages]]"),
    "torchpin export --service lora --format cyclonedx": Run(text='"bomFormat": "CycloneDX"'),
    "torchpin export --service lora --format spdx": Run(text='"spdxVersion": "SPDX-2.3"'),
    # build.md
    "torchpin plan --service lora": Run(
        text="largest packages:",
        command="torchpin plan --service lora --offline",
        reason="the registry of the base image is not asked",
    ),
    "torchpin build --service lora": Elsewhere(
        reason="the same with bootstrap.py before it", test="tests/integration/test_readme.py"
    ),
    "torchpin build --service lora --lab": Elsewhere(
        reason="the same with bootstrap.py before it", test="tests/integration/test_readme.py"
    ),
    "torchpin build --service lora --assemble": Elsewhere(
        reason=REAL_BUILD, test="tests/integration/commands/test_assemble.py"
    ),
    "torchpin install --service lora": Run(
        text="lora-gpu", command="torchpin install --service lora --lab", reason=REAL_BUILD
    ),
    "torchpin install --service coaxial --variant cpu": Run(
        text="coaxial-cpu",
        command="torchpin install --service coaxial --variant cpu --lab",
        reason=REAL_BUILD,
    ),
    "torchpin affected --since HEAD~1": Run(text="environments affected since "),
    "torchpin affected --since HEAD~1 --github": Run(text="matrix="),
    "torchpin bake --affected-since HEAD~1": Run(
        text="{", command="torchpin bake --affected-since HEAD~1 --print", reason=REAL_BUILD
    ),
    "docker buildx bake": Elsewhere(
        reason="builds the images", test="tests/integration/commands/test_bake.py"
    ),
    "torchpin freeze --service lora": Run(
        text="lora-gpu is not built from its description", code=1, engine=True
    ),
    "torchpin services": Run(text="lora-gpu"),
    "torchpin report --html report.html": Run(text="report.html", place="changed"),
    # bump.md
    "torchpin bump": Run(text="`torchpin bump` needs WHAT", code=2),
    "torchpin bump torch==2.8.0": Run(
        text="lora: planned changes",
        command="torchpin bump torch==2.8.0 --dry-run --offline",
        reason="an update of all services builds their images",
    ),
    "torchpin bump torch==2.8.0 --service lora": Elsewhere(
        reason="builds the image", test="tests/integration/commands/test_bump.py"
    ),
    "torchpin bump torch==2.8.0 --service lora --dry-run": Run(
        text="lora: planned changes",
        command="torchpin bump torch==2.8.0 --service lora --dry-run --recorded",
        reason=REAL_FAMILY,
    ),
    "torchpin bump --resume": Run(text="its steps stay pending", code=3, reason=REAL_BUILD),
    "torchpin bump --undo": Run(text="no update to undo", code=2, place="changed"),
    "torchpin diff HEAD~1 .": Run(text="lora-gpu: "),
    # ci.md
    "torchpin judge": Run(text="zopilot"),
    "torchpin render --check": Run(text="nothing is wrong: "),
    "torchpin document --check": Run(text="nothing is wrong: "),
    "torchpin verify --require network": Elsewhere(
        reason="needs GitHub", test="tests/integration/cli/test_lock_and_documents.py"
    ),
    # mirrors.md
    "uv auth login": Elsewhere(
        reason="asks for a password; what it stores is uv's own",
        test="tests/integration/tools/test_uv_machine.py",
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
    """Two clones of the checkout, the first set up as README.md says, an empty folder in git, and one with a Dockerfile."""
    folder = tmp_path_factory.mktemp("readme")
    for place in ("clone", "changed"):
        subprocess.run(("git", "clone", "--quiet", str(ROOT), str(folder / place)), check=True)
        shutil.copy(ROOT / "README.md", folder / place)
    for place in ("own", "project"):
        subprocess.run(("git", "init", "--quiet", str(folder / place)), check=True)
    (folder / "project/Dockerfile").write_text(readme.dockerfile(README), encoding="utf-8")
    command = (sys.executable, "bootstrap.py", "invoke", "--version")
    subprocess.run(command, cwd=folder / "clone", check=True, capture_output=True, timeout=300)
    return Places(folder=folder, programs=folder / "clone" / ".venv" / "bin")


@pytest.fixture(scope="module")
def results(places: Places) -> Mapping[str, tuple[int, str]]:
    """Exit code and output of every command; those that only read run side by side."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        chains = [pool.submit(run_chain, places, place) for place in ("own", "changed", "project")]
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
    assert set().union(*map(read_commands, (README, *GUIDE))) == {*TABLE}
    for row in TABLE.values():
        assert isinstance(row, Run) or (ROOT / row.test).exists()


def test_the_screens_are_what_the_commands_print(places: Places) -> None:
    outputs = readme.printed_screens(README, places.programs)
    assert readme.with_screens(README, outputs) == README, "run `nox -s docs -- --write`"


@pytest.mark.parametrize("command", RUNS)
def test_the_command_does_what_it_says(results: Mapping[str, tuple[int, str]], command: str) -> None:
    code, output = results[command]
    assert (code, RUNS[command].text in output) == (RUNS[command].code, True), output[-4000:]


def test_commands_that_read_leave_the_clone_as_it_was(
    places: Places, results: Mapping[str, tuple[int, str]]
) -> None:
    command = ("git", "-C", str(places.folder / "clone"), "status", "--porcelain", "--", ":!README.md")
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
