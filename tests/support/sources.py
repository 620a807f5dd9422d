"""Environments with sd-scripts at a recorded tag, and locks with its requirements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import Version

from support.checks import FILE
from torchpin.model import Environment, Layer, Lock, Position, Source, Torch, Upstream

if TYPE_CHECKING:
    from support.fixture_types import Environments

V0_10_0 = "966e9d7f6bb4058abbddb815dd40462b35ffb1d2"
V0_9_1 = "8f4ee8fc343b047965cd8976fca65c3a35b7593a"
SD_SCRIPTS = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.10.0",
    commit=V0_10_0,
    path="third_party/sd-scripts",
    requirements=("requirements.txt",),
)
PATHS = ("sources[0].tag", "sources[0].commit", "torch.version", "recommends[0]", "layers[0].packages[0]")
POSITIONS = {path: Position(file=FILE, line=number, column=3) for number, path in enumerate(PATHS, start=1)}


def make_environment(
    environment: Environments, *pins: str, torch: str = "2.5.1", **changes: Any
) -> Environment:
    source = replace(SD_SCRIPTS, **changes.pop("source", {}))
    return environment(
        **{
            "sources": (source,),
            "layers": (Layer(name="tools", packages=tuple(map(Requirement, pins or ("tqdm==4.66.5",)))),),
            "torch": Torch(version=Version(torch), companions={}),
            "positions": POSITIONS,
            **changes,
        }
    )


def with_upstream_requirements(lock: Lock, *lines: str) -> Lock:
    upstream = Upstream(
        source="sd-scripts", tag="v0.10.0", commit=V0_10_0, file="requirements.txt", requirements=lines
    )
    return replace(lock, upstreams=(upstream,))
