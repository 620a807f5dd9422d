"""A build of an image as a bake or compose file asks for it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin.project.stages import BuildInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Position, Problem
    from torchpin.project.inline_dockerfile import InlineDockerfile

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|target:|docker-image:", re.IGNORECASE)
_OUTSIDE = ".."
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageBuild:
    """`dockerfile` and `context`: paths in the project, "" for its root; `inline`: the text of a Dockerfile that is in no file.

    `position`: of the target or service that asks for it; `placed`: the inline text with its lines, where they can be told.
    """

    name: str
    dockerfile: str
    context: str
    position: Position
    inputs: BuildInputs = field(default_factory=BuildInputs)
    inline: str = ""
    placed: InlineDockerfile | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFile:
    """The builds of a bake or compose file; `problems`: what of it is not read."""

    builds: tuple[ImageBuild, ...] = ()
    problems: tuple[Problem, ...] = ()


def project_paths(file: str, context: str, dockerfile: str, current: str = "") -> tuple[str, str] | None:
    """A context folder and its Dockerfile as paths in the project, from those in a file there.

    None for a context that is an address, or outside of the project. With `current`, the folder that paths are relative to,
    paths outside of it are absolute ones; whether they are in the project is for the caller to see.
    """
    if _REMOTE.match(context):
        return None
    folder = posixpath.normpath(posixpath.join(current, posixpath.dirname(file), context or "."))
    path = posixpath.normpath(posixpath.join(folder, dockerfile or "Dockerfile"))
    if current:
        folder, path = (_relative(full, current) for full in (folder, path))
    elif folder.startswith((_OUTSIDE, "/")) or path.startswith((_OUTSIDE, "/")):
        return None
    return ("" if folder == "." else folder), path


def _relative(path: str, current: str) -> str:
    """A path below a folder relative to it, another one as it is."""
    return "." if path == current else path.removeprefix(f"{current.rstrip('/')}/")


def build_inputs(
    args: Mapping[str, str], target: str, platforms: tuple[str, ...] = (), contexts: Mapping[str, str] = _NONE
) -> BuildInputs:
    """What a build is called with, on the first of its platforms."""
    platform = {"platform": platforms[0]} if platforms else {}
    pairs = tuple(sorted(contexts.items()))
    return BuildInputs(args=tuple(sorted(args.items())), target=target, contexts=pairs, **platform)
