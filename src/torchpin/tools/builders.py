"""The version of buildx and the properties of builders, asked for once: neither changes while a command runs."""

from __future__ import annotations

import os
import re
from functools import cache

from torchpin.errors import ToolError
from torchpin.tools.process import QUERY, QUICK, run


def buildx_version() -> str:
    """buildx's version. Raises ToolError when the plugin is missing."""
    return _version(_machine())


@cache
def _version(_machine: tuple[str, ...]) -> str:
    completed = run(("docker", "buildx", "version"), check=False, timeout=QUICK)
    if completed.returncode:
        raise ToolError(
            "docker has no buildx plugin; install it (on Debian and Ubuntu the package docker-buildx or docker-buildx-plugin)"
        )
    return completed.stdout.split()[1] if len(completed.stdout.split()) > 1 else completed.stdout.strip()


def inspect_builder(builder: str) -> str:
    """The output of `docker buildx inspect` for a builder, remembered while a command runs. Raises ToolError where it fails."""
    return _inspection(builder, _machine())


@cache
def _inspection(builder: str, _machine: tuple[str, ...]) -> str:
    return run(("docker", "buildx", "inspect", *([builder] if builder else [])), timeout=QUERY).stdout


def _machine() -> tuple[str, ...]:
    """The variables that decide which docker is run, and for which engine."""
    names = (
        "PATH",
        "HOME",
        "DOCKER_CONFIG",
        "DOCKER_CONTEXT",
        "DOCKER_HOST",
        "BUILDX_BUILDER",
        "BUILDX_CONFIG",
    )
    return tuple(os.environ.get(name, "") for name in names)


def inspected_field(text: str, field: str) -> str:
    """The first value of a field that `docker buildx inspect` prints."""
    return next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{field}:")), ""
    )


# BuildKit 0.13 to 0.15.1 takes the secret's missing input for the first one, the image so far, and hashes that: moby/buildkit#5251.
_HASHING_ENGINES, _HASHING_BUILDKITS = ((26, 0, 0), (27, 2, 0)), ((0, 13, 0), (0, 15, 2))


def hashes_for_secrets(engine: str, builder: str = "") -> bool:
    """Whether a builder hashes the whole image before each step with a secret mount. `engine` is the engine's version."""
    try:
        inspected = inspect_builder(builder)
    except ToolError:
        inspected = ""
    if inspected_field(inspected, "Driver") in {"", "docker"}:
        return is_hashing_version(engine)
    buildkit = inspected_field(inspected, "BuildKit version") or inspected_field(inspected, "Buildkit")
    return is_hashing_version(buildkit, _HASHING_BUILDKITS)


def is_hashing_version(
    version: str, versions: tuple[tuple[int, ...], tuple[int, ...]] = _HASHING_ENGINES
) -> bool:
    """Whether a version, such as 26.1.5+dfsg1, is in a range; False if it is not a version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    first, mended = versions
    return match is not None and first <= tuple(int(number or 0) for number in match.groups()) < mended
