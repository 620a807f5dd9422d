"""The rendered Dockerfile of an environment, and its instructions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.image import plan
from torchpin.image.dockerfile import render_dockerfile
from torchpin.tools import resources

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Environment, Lock

TEMPLATE = resources.read_resource("Dockerfile.j2")


def write_template(root: Path) -> Path:
    """A template of a repository's own, which is torchpin's."""
    path = root / paths.DOCKERFILE_TEMPLATE
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def dockerfile(env: Environment, lock: Lock) -> str:
    return render_dockerfile(TEMPLATE, plan.image_plan(env, lock))


def instructions(text: str) -> list[str]:
    """Each instruction on one line, as Docker reads it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines()]


def dockerfile_instructions(env: Environment, lock: Lock) -> list[str]:
    return instructions(dockerfile(env, lock))
