"""The files of another project, parsed within bounds; what exceeds one is not read, and that is said."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from torchpin.installs.commands import Project
from torchpin.project import stages
from torchpin.project.build_context import IgnoreFiles
from torchpin.project.dockerfile import is_dockerfile
from torchpin.project.image_files import ProjectPaths
from torchpin.project.lock_file import by_name, select_package
from torchpin.project.markers import MarkerTarget
from torchpin.project.pipfile import read_pipfile_lock
from torchpin.project.poetry import read_poetry_lock
from torchpin.project.pylock import read_pdm_lock, read_pylock
from torchpin.project.pyproject import read_pyproject
from torchpin.project.runs import parse_runs
from torchpin.project.uv_lock import read_uv_lock
from torchpin.project.variables import BoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from torchpin.model import Problem
    from torchpin.project.lock_file import LockedPackage, LockFile
    from torchpin.project.runs import RunCommand, UnreadRun

# Characters of all Dockerfiles together: parsed, each has its position and takes some 100 bytes. Real ones have thousands.
_MOST_DOCKERFILE_TEXT = 4_000_000


def parse_project(
    texts: Mapping[str, str],
    unreadable: Iterable[tuple[str, str]] = (),
    ignored: IgnoreFiles = IgnoreFiles(),  # noqa: B008 - what it remembers holds for its lines
    dockerfiles: Collection[str] | None = None,
) -> Project:
    """A project from its texts by path; what cannot be parsed, or exceeds a bound, is in `unreadable`, and counts as empty.

    `ignored`: the .dockerignore files, whose paths no COPY finds. `dockerfiles`: those of the texts that are Dockerfiles,
    told by their names where it is None.
    """
    broken = [*unreadable]
    pyproject_file = _find_named(texts, "pyproject.toml")
    pyproject = read_pyproject(pyproject_file, texts.get(pyproject_file, ""))
    locks = {path: read(path, texts[path]) for path, read in _lock_readers(texts)}
    main_lock = next(iter(locks), "")
    for problems in (pyproject.problems, *(lock.problems for lock in locks.values())):
        broken += map(_unreadable, problems)
    unread: dict[str, list[UnreadRun]] = {}
    names = (
        [path for path in texts if is_dockerfile(posixpath.basename(path))]
        if dockerfiles is None
        else dockerfiles
    )
    runs = _parse_dockerfiles(texts, names, broken, unread, ignored)
    return Project(
        texts=texts,
        dockerfiles=tuple(runs),
        requirement_files=tuple(
            path for path in sorted(texts) if re.search(r"(requirements|constraints)[\w.-]*\.txt$", path)
        ),
        pyproject=pyproject.tables,
        pyproject_file=pyproject_file,
        locked=_locked_packages(locks.get(main_lock)),
        lock_file=main_lock,
        locks=locks,
        unreadable=tuple(broken),
        runs=runs,
        unread_runs={path: tuple(parts) for path, parts in unread.items()},
        paths=_path_ends(texts),
        python_projects={pyproject_file: pyproject} if pyproject_file else {},
    )


def _unreadable(problem: Problem) -> tuple[str, str]:
    return str(problem.position), problem.text


_LOCKS: tuple[tuple[re.Pattern[str], Callable[[str, str], LockFile]], ...] = (
    (re.compile(r"uv\.lock"), read_uv_lock),
    (re.compile(r"poetry\.lock"), read_poetry_lock),
    (re.compile(r"pdm\.lock"), read_pdm_lock),
    (re.compile(r"pylock(?:\.[^.]+)?\.toml"), read_pylock),
    (re.compile(r"Pipfile\.lock"), read_pipfile_lock),
)


def _lock_readers(
    texts: Mapping[str, str],
) -> list[tuple[str, Callable[[str, str], LockFile]]]:
    """The locks with their readers, the least nested ones first, and of a folder in the order of the tools."""
    locks = [
        (path.count("/"), number, path, read)
        for path in texts
        for number, (name, read) in enumerate(_LOCKS)
        if name.fullmatch(posixpath.basename(path))
    ]
    return [(path, read) for _, _, path, read in sorted(locks, key=lambda lock: lock[:3])]


def _locked_packages(lock: LockFile | None) -> dict[str, LockedPackage]:
    """The packages of a lock for Linux, of those that have several rows the one that certainly holds."""
    target = MarkerTarget(machine="x86_64")
    rows = by_name(lock.packages) if lock else {}
    selected = ((name, select_package(packages, target)) for name, packages in rows.items())
    return {name: package for name, package in selected if package and package.version}


def _path_ends(texts: Mapping[str, str]) -> dict[str, str]:
    """The paths by each of their ends: `a/b/c` by `c`, `b/c` and `a/b/c`; of several the least nested one counts."""
    ends: dict[str, str] = {}
    for path in sorted(texts, key=_depth):
        parts = path.split("/")
        for start in range(len(parts)):
            ends.setdefault("/".join(parts[start:]), path)
    return ends


def _find_named(texts: Mapping[str, str], name: str) -> str:
    """The least nested file of a name, "" for none."""
    return min((path for path in texts if posixpath.basename(path) == name), key=_depth, default="")


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _parse_dockerfiles(
    texts: Mapping[str, str],
    dockerfiles: Iterable[str],
    broken: list[tuple[str, str]],
    unread: dict[str, list[UnreadRun]],
    ignored: IgnoreFiles,
) -> dict[str, tuple[RunCommand, ...]]:
    """The commands of each Dockerfile; one that exceeds a bound is not read. `unread` gets what cannot be followed."""
    runs: dict[str, tuple[RunCommand, ...]] = {}
    size, paths = 0, ProjectPaths(texts)
    for path in sorted(dockerfiles):
        size += len(texts[path])
        if size > _MOST_DOCKERFILE_TEXT:
            broken.append((path, f"the Dockerfiles up to it have over {_MOST_DOCKERFILE_TEXT} characters"))
            size -= len(texts[path])
            continue
        try:
            stages.parse_stages(texts[path])
            parts: list[UnreadRun] = []
            runs[path] = tuple(
                parse_runs(texts[path], path, paths, unread=parts, scripts=texts, ignored=ignored)
            )
            unread[path] = parts
        except BoundError as error:
            broken.append((path, str(error)))
    return runs
