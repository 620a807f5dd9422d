"""The projects of tests/adopt, adopted, and the services that are drafted of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.commands import adopt

if TYPE_CHECKING:
    from torchpin.commands.adopt import Adopted

PROJECTS = Path(__file__).parents[1] / "adopt"
NAMES = sorted(path.name for path in PROJECTS.iterdir())
BASE = "FROM nvidia/cuda:12.6.3-base-ubuntu22.04\n"


def adopt_project(name: str) -> Adopted:
    return adopt.adopt(PROJECTS / name)
