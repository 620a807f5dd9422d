"""The rendered Dockerfile of an environment, and its instructions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.image import plan
from torchpin.image.dockerfile import render_dockerfile

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock

TEMPLATE = (Path(__file__).parents[2] / "docker/Dockerfile.j2").read_text(encoding="utf-8")


def dockerfile(env: Environment, lock: Lock) -> str:
    return render_dockerfile(TEMPLATE, plan.image_plan(env, lock))


def instructions(text: str) -> list[str]:
    """Each instruction on one line, as Docker reads it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines()]


def dockerfile_instructions(env: Environment, lock: Lock) -> list[str]:
    return instructions(dockerfile(env, lock))
