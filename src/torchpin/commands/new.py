"""A new service: a description and a smoke test, small and ready to be locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.description import read
from torchpin.errors import InputError
from torchpin.workspace import workspace
from torchpin.workspace.write import write_with_outcomes

if TYPE_CHECKING:
    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

_SERVICE = """\
# What the {name} service is. `invoke lock --service {name}` follows from this file alone.
name: {name}
summary: Say in one line what {name} does
python: "3.11.13"

base:
  image: nvidia/cuda:12.6.3-base-ubuntu22.04   # add its digest: docker buildx imagetools inspect shows it
  rationale: The least of CUDA 12.6; torch brings its own libraries, and nothing is compiled here.

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
    """The description and the smoke test of a new service, ready to be locked. Raises InputError for a taken or bad name."""
    folder = f"services/{name}"
    if (repo.root / folder).exists():
        raise InputError(f"{folder} is there already; choose another name.")
    text = _SERVICE.format(name=name)
    read.read_services({**workspace.read_descriptions(repo.root), f"{folder}/service.yaml": text})
    return write_with_outcomes(
        repo, {f"{folder}/service.yaml": text, f"{folder}/smoke.py": _SMOKE.format(name=name)}
    )
