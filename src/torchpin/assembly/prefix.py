"""The prefix of an image: what has to run while it is built, as the same template has it without the wheels.

What is only copied or set is no part of it, so that services with the same base, Python and system packages have the same
prefix. Where it cannot be told apart, the prefix has that, too, and is of one environment.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from torchpin.assembly.image import ENVIRONMENT_STEP
from torchpin.image.plan import image_plan, install_steps

if TYPE_CHECKING:
    from torchpin.image.plan import BuildContext, Image
    from torchpin.model import Environment, Lock

STAGE = "image"  # of the template: all of an image but its proof
SHARED = "prefix"  # in place of an environment's name, which ends with its variant
_RUNTIME = "/opt/torchpin"
_MOUNTED = re.compile(r"--mount=type=bind,source=([^,\s]+)")


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


def prefix_plan(env: Environment, lock: Lock, *, own_template: bool = False) -> Image:
    """The plan of an environment's prefix. `own_template`: the repository has its own, which may only support whole images."""
    image = image_plan(env, lock)
    return replace(
        image,
        steps=install_steps(env, installed_by_running(lock)),
        finished=own_template or not can_be_finished(image),
    )


def can_be_finished(image: Image) -> bool:
    """Whether what an image gets beside packages can be copied and set without a build.

    It is root's and lies in the service's folder, apart from each other and from what has to run.
    """
    home = image.service.home
    targets = [step.target for step in image.files]
    copied = [*targets, *(place for _, place in image.sources)]
    return (
        not image.source_installs
        and not any(step.owner or step.source for step in image.files)
        and all(target.startswith(f"{home}/") for target in targets)
        and not any(_overlap(*pair) for pair in combinations(copied, 2))
        and not any(_overlap(folder, place) for folder in image.folders for place in (home, _RUNTIME))
    )


def _overlap(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")


def prefix_context(context: BuildContext, dockerfile: str, *, finished: bool) -> BuildContext:
    """The build context of a prefix: that for `installed_by_running`, without what only the proof reads.

    Of one that is not `finished` it is what its Dockerfile mounts.
    """
    if finished:
        files = {path: text for path, text in context.files.items() if path != "expect.json"}
        return replace(context, files=files)
    mounted = {*_MOUNTED.findall(dockerfile)}

    def is_read(path: str) -> bool:
        return any(f"{path}/".startswith(f"{place}/") for place in mounted)

    return replace(
        context,
        files={path: text for path, text in context.files.items() if is_read(path)},
        sources={path: source for path, source in context.sources.items() if is_read(path)},
        copied={path: entry for path, entry in context.copied.items() if is_read(path)},
        packages={path: entry for path, entry in context.packages.items() if is_read(path)},
    )
