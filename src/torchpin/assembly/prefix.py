"""The prefix of an image: what has to run while it is built, as the same template has it without the wheels."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.assembly.image import ENVIRONMENT_STEP
from torchpin.image.plan import image_plan, install_steps

if TYPE_CHECKING:
    from torchpin.image.plan import BuildContext, Image
    from torchpin.model import Environment, Lock

STAGE = "image"  # of the template: all of an image but its proof


def expect_prefix(dockerfile: str) -> None:
    """Raises ValueError where a rendered Dockerfile has no prefix, as that of a repository's own template may."""
    if not re.search(rf"^FROM \S+ AS {STAGE}$", dockerfile, re.MULTILINE):
        message = f"it has no stage `{STAGE}`"
        raise ValueError(message)
    if ENVIRONMENT_STEP not in dockerfile:
        message = f"no step of it makes the environment with `{ENVIRONMENT_STEP.strip()}`"
        raise ValueError(message)


def installed_by_running(lock: Lock) -> Lock:
    """A lock with the packages alone that exist as source only: installing them builds them."""
    layers = (
        replace(layer, packages=tuple(package for package in layer.packages if package.is_source))
        for layer in lock.layers
    )
    return replace(lock, layers=tuple(layers))


def prefix_plan(env: Environment, lock: Lock) -> Image:
    """The plan of an environment's prefix."""
    return replace(image_plan(env, lock), steps=install_steps(env, installed_by_running(lock)))


def prefix_context(context: BuildContext) -> BuildContext:
    """What the build of a prefix reads, of the context that is made for `installed_by_running`: nothing of the proof."""
    files = {path: text for path, text in context.files.items() if path != "expect.json"}
    return replace(context, files=files)
