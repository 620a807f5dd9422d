"""`new`: the description and the smoke test of a new service, ready to be locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import read
from torchpin.errors import InputError
from torchpin.workspace import workspace
from torchpin.workspace.writer import create_files

if TYPE_CHECKING:
    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

_SERVICE = """\
# What the {name} service is. `invoke lock --service {name}` follows from this file alone.
name: {name}
summary: Describe {name} in one line
python: "3.11.13"

base:
  image: nvidia/cuda:12.6.3-base-ubuntu22.04   # add its digest: docker buildx imagetools inspect shows it
  rationale: The smallest CUDA 12.6 image; torch brings its own libraries, and nothing is compiled here.

torch:
  version: "2.8.0"
  companions: {{torchvision: "0.23.0"}}

gpus: [RTX 4090]

variants:
  gpu: {{channel: cu126, platform: linux/amd64}}

layers:
  - name: app
    packages:
      - tqdm==4.67.1

imports: [torch, torchvision, tqdm]

run:
  compiles: false               # true where triton or torch.compile compile kernels, with gcc and libc6-dev in `apt`
  env: {{PYTHONUNBUFFERED: "1"}}
  volumes: [/workspace]
  freeze: /workspace/logs/pip_freeze.txt
"""
_SMOKE = """\
\"\"\"What must run inside the {name} image, on a machine without a GPU.\"\"\"

import torch

assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8.0
print("smoke: ok, torch", torch.__version__)
"""


def write_scaffold(repo: Repository, name: str) -> tuple[Outcome, ...]:
    """Writes the description and the smoke test of a new service. Raises InputError for a taken or invalid name."""
    folder = paths.service_folder(name)
    if (repo.root / folder).exists():
        raise InputError(f"{folder} already exists; choose another name")
    text = _SERVICE.format(name=name)
    read.read_services({**workspace.read_descriptions(repo.root), paths.description_path(name): text})
    files = {paths.description_path(name): text, paths.smoke_path(name): _SMOKE.format(name=name)}
    return create_files(repo, files)


def create_service(name: str) -> CommandReport:
    """Writes a new service into the repository of the current folder."""
    return report_outcomes(write_scaffold(open_repository(), name))
