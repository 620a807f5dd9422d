"""Descriptions of one service as text, and the ways to read them or to have them refused."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.description import read, write
from torchpin.errors import INPUT, InputError
from torchpin.model import (
    Base,
    CopiedFiles,
    Health,
    Layer,
    Reason,
    Recommendation,
    Run,
    Service,
    Source,
    Torch,
    Variant,
    Waiver,
)

LORA = "services/lora/service.yaml"
PLAIN = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch:
  version: "2.5.1"
  companions: {torchvision: "0.20.1"}
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - name: training
    packages: [tqdm==4.66.5]
"""
SOURCE = """\
sources:
  - name: sd-scripts
    url: https://github.com/kohya-ss/sd-scripts
    tag: v0.10.0
    commit: 966e9d7f6bb4058abbddb815dd40462b35ffb1d2
    path: third_party/sd-scripts
    requirements: requirements.txt
"""


def read_service(text: str) -> Service:
    (service,) = read.read_services({LORA: text})
    return service


def lora_service() -> Service:
    return read_service((Path(__file__).parents[2] / LORA).read_text(encoding="utf-8"))


def problem_lines(text: str) -> list[str]:
    """The problem lines of a text that is not a valid description."""
    with pytest.raises(InputError) as excinfo:
        read_service(text)
    count = len(excinfo.value.problems)
    lines = str(excinfo.value).split("\n")
    plural = "problem" if count == 1 else "problems"
    assert lines[-1] == f"{count} {plural} in the descriptions; nothing was written"
    assert len(lines) == count + 1
    assert excinfo.value.exit_code == INPUT
    return lines[:-1]


def replace_in_plain(old: str, new: str) -> str:
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


_SOURCE = Source(
    name="sd-scripts",
    url="https://example.org/a.git",
    tag="v1",
    commit="0f" * 20,
    path="third_party/a",
    requirements=("requirements.txt",),
)
_RUN = Run(
    command=("python", "a.py"),
    env={"TZ": "UTC"},
    ports=(80,),
    volumes=("/workspace",),
    freeze="/workspace/freeze.txt",
    user="worker",
    entrypoint=("tini", "--", "/opt/torchpin/start.sh"),
    writable=("/app/cache",),
    shm_size="8GB",
    ipc="private",
    env_files=("services/lora/.env",),
    secrets=("HF_TOKEN",),
    labels={"org.example.team": "speech"},
    health=Health(command=("curl", "-f", "http://127.0.0.1")),
)


@cache
def full_text() -> str:
    """A description in which every field is given."""
    service = Service(
        name="lora",
        summary="Training",
        python=Version("3.10.14"),
        base=Base(image="debian:12", digest="sha256:" + "0f" * 32, rationale="why"),
        torch=Torch(version=Version("2.5.1"), companions={"torchvision": Version("0.20.1")}),
        variants=(Variant(name="gpu", channel="cu121", platform="linux/amd64"),),
        layers=(
            Layer(name="training", packages=(Requirement("tqdm==4.66.5"), Requirement("toml==0.10.2"))),
            Layer(name="more", packages=(Requirement("einops==0.7.0"),), optional=True),
        ),
        gpus=("H100",),
        apt=("git", "curl"),
        imports=("torch",),
        sources=(_SOURCE,),
        files=(
            CopiedFiles(
                origin="services/lora/app", target="/app", owner="worker", mode="0640", ignore=("tests",)
            ),
        ),
        run=_RUN,
        budget_bytes=10**9,
        recommends=(Recommendation(component="torch", says="2.5.x"),),
        reasons=(Reason(component="torch", because="a", evidence="b"),),
        waivers=(Waiver(check="GPU001", about="H100", reason="a", review_by=date(2027, 1, 31)),),
    )
    return write.to_yaml(service)
