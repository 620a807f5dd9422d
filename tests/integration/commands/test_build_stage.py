"""Wheels that are compiled in a stage of their own: by torch and locked tools, without network, and alone in the image."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from support.labs import ROOT, build_environment, change_service, image_tag
from torchpin.checks.run import blocking_findings
from torchpin.commands import judge
from torchpin.commands.lock import lock
from torchpin.model import Base, BuildStage, BuiltWheel
from torchpin.tools import docker
from torchpin.tools.files import write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]
OPS = "services/lora/ops"
# torch is there, no network is, and what the build is told of the GPUs goes into the wheel
SETUP = """\
import json, os, socket
from pathlib import Path
from setuptools import setup
import torch

try:
    socket.create_connection(("127.0.0.1", 1), timeout=1)
except OSError as error:
    reached = [name for _, name in socket.if_nameindex() if name != "lo"]
facts = {"torch": torch.__version__, "archs": os.environ["TORCH_CUDA_ARCH_LIST"], "jobs": os.environ["MAX_JOBS"], "interfaces": reached}
Path("tiny_ops").mkdir()
Path("tiny_ops/__init__.py").write_text("facts = " + repr(facts))
setup(name="tiny-ops", version="0.1+local", packages=["tiny_ops"])
"""


def with_stage(service: Service) -> Service:
    stage = BuildStage(
        base=Base(image=service.base.image),
        wheels=(
            BuiltWheel(package=Requirement("tiny-ops==0.1"), folder=OPS),
            BuiltWheel(package=Requirement("docopt==0.6.2")),  # of 2014: a source archive is all there is
        ),
        requires=(Requirement("setuptools==80.9.0"), Requirement("wheel==0.45.1")),
        env={"MAX_JOBS": "2"},
    )
    return replace(service, build=stage, imports=(*service.imports, "tiny_ops", "docopt"))


def hadolint(text: str) -> str:
    command = (str(Path(sys.executable).parent / "hadolint"), "--config", str(ROOT / ".hadolint.yaml"), "-")
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False).stdout


def run_python(tag: str, script: str) -> Any:
    with docker.engine() as client:
        output: bytes = client.containers.run(
            tag, ["-c", script], entrypoint=["python"], remove=True, network_mode="none"
        )
    return json.loads(output)


def test_compiled_wheels_are_all_that_the_stage_leaves_in_the_image(scratch: Repository) -> None:
    write_files({scratch.root / OPS / "setup.py": SETUP})
    repo, env = change_service(scratch, with_stage)
    (locked,) = lock(repo, [env])
    assert not locked.code, locked.detail
    stage = workspace.read_lock(repo, env).stage
    assert stage is not None
    assert [package.filename for package in stage.packages if package.is_source] == ["docopt-0.6.2.tar.gz"]
    assert {package.name for package in stage.packages} == {"docopt", "pip", "setuptools", "wheel"}

    assert hadolint(str(repo.text("docker/lora-gpu/Dockerfile"))) == ""

    outcome = build_environment(repo, env)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    facts = run_python(image_tag(repo, env), "import json, tiny_ops; print(json.dumps(tiny_ops.facts))")
    assert facts == {"torch": "2.7.1+cu128", "archs": "8.6;9.0;10.0", "jobs": "2", "interfaces": []}
    names = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    assert not {"pip", "wheel"} & {*run_python(image_tag(repo, env), names)}

    notes = "import json, glob; print(json.dumps(glob.glob('/opt/venv/lib/*/site-packages/*.dist-info/uv_cache.json')))"
    assert run_python(image_tag(repo, env), notes) == []  # with the time of the build

    frozen = str(repo.text("records/lora-gpu/pip_freeze.txt")).splitlines()
    assert {"tiny-ops==0.1+local", "docopt==0.6.2"} <= {*frozen}
    wheels = workspace.read_build_record(repo, env)["wheels"]
    assert [name.split("-")[0] for name in wheels] == ["docopt", "tiny_ops"]
    results = judge.verify(repo, [env], require=["docker", "image"])
    assert judge.exit_code(results, require=["docker", "image"]) == 0, blocking_findings(results)
    assert build_environment(repo, env).status == "same"
