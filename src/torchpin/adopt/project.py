"""The files of another project, parsed within bounds; what exceeds one is not read, and that is said."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from torchpin.adopt import uv_files
from torchpin.adopt.installs import Project
from torchpin.parsing import parse_toml
from torchpin.project import stages
from torchpin.project.dockerfile import is_dockerfile
from torchpin.project.runs import parse_runs
from torchpin.project.variables import BoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.adopt.uv_files import LockedPackage
    from torchpin.project.runs import RunCommand

# Characters of all Dockerfiles together: parsed, each has its position and takes some 100 bytes. Real ones have thousands.
_MOST_DOCKERFILE_TEXT = 4_000_000


def parse_project(texts: Mapping[str, str], unreadable: Iterable[tuple[str, str]] = ()) -> Project:
    """A project from its texts by path; what cannot be parsed, or exceeds a bound, is in `unreadable`, and counts as empty."""
    broken = [*unreadable]
    lock, pyproject = (_parse_toml(texts, name, broken) for name in ("uv.lock", "pyproject.toml"))
    runs = _parse_dockerfiles(texts, broken)
    return Project(
        texts=texts,
        dockerfiles=tuple(runs),
        requirement_files=tuple(
            path for path in sorted(texts) if re.search(r"(requirements|constraints)[\w.-]*\.txt$", path)
        ),
        pyproject=pyproject,
        pyproject_file=_find_named(texts, "pyproject.toml"),
        locked=_locked_packages(texts, lock, broken),
        lock_file=_find_named(texts, "uv.lock"),
        unreadable=tuple(broken),
        runs=runs,
        paths=_path_ends(texts),
    )


def _path_ends(texts: Mapping[str, str]) -> dict[str, str]:
    """The paths by each of their ends: `a/b/c` by `c`, `b/c` and `a/b/c`; the first one in order counts."""
    ends: dict[str, str] = {}
    for path in sorted(texts):
        parts = path.split("/")
        for start in range(len(parts)):
            ends.setdefault("/".join(parts[start:]), path)
    return ends


def _find_named(texts: Mapping[str, str], name: str) -> str:
    return next((path for path in sorted(texts) if posixpath.basename(path) == name), "")


def _parse_toml(texts: Mapping[str, str], name: str, broken: list[tuple[str, str]]) -> Mapping[str, Any]:
    path = _find_named(texts, name)
    try:
        return parse_toml(texts[path]) if path else {}
    except ValueError as error:
        broken.append((path, str(error)))
        return {}


def _locked_packages(
    texts: Mapping[str, str], lock: Mapping[str, Any], broken: list[tuple[str, str]]
) -> dict[str, LockedPackage]:
    path = _find_named(texts, "uv.lock")
    try:
        return uv_files.read_lock(lock, texts.get(path, ""))
    except ValueError as error:
        broken.append((path, str(error)))
        return {}


def _parse_dockerfiles(
    texts: Mapping[str, str], broken: list[tuple[str, str]]
) -> dict[str, tuple[RunCommand, ...]]:
    """The commands of each Dockerfile; one that exceeds a bound is not read."""
    runs: dict[str, tuple[RunCommand, ...]] = {}
    size = 0
    for path in (path for path in sorted(texts) if is_dockerfile(posixpath.basename(path))):
        size += len(texts[path])
        if size > _MOST_DOCKERFILE_TEXT:
            broken.append((path, f"the Dockerfiles up to it have over {_MOST_DOCKERFILE_TEXT} characters"))
            size -= len(texts[path])
            continue
        try:
            stages.parse_stages(texts[path])
            runs[path] = tuple(parse_runs(texts[path], path, texts.keys()))
        except BoundError as error:
            broken.append((path, str(error)))
    return runs
