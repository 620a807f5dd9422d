"""The project's own files in an image, as `files:` of a description, and the folder and the user that its command has."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torchpin.description import patterns
from torchpin.model import CopiedFiles
from torchpin.project.build_context import IgnoreFiles
from torchpin.project.build_steps import build_steps
from torchpin.project.dockerfile import is_dockerfile
from torchpin.project.image_files import (
    REMOTE_SOURCE,
    ProjectPaths,
    choose_context,
    copy_operands,
    copy_sources,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from torchpin.project.build_steps import BuildStep

_MOST_PATTERNS = 50  # of a Dockerfile, such as `*.py`, that are tried on each path
_MOST_FILES = 200  # entries of `files:`; real Dockerfiles have some dozen COPY lines
_PATTERN = re.compile(r"[*?\[]")
# What lies beside a project's own files, and is for its repository or for builds.
_NO_FILES = re.compile(
    r"\..*|Dockerfile.*|.*\.[Dd]ockerfile|Containerfile.*|(?:docker-)?compose.*\.ya?ml|docker-bake\..*|(?:README|LICENSE|CHANGELOG).*"
    r"|services|lockfiles|records|torchpin\.toml|[\w.-]*(?:requirements|constraints)[\w.-]*\.txt"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFolder:
    """Where a project's files are for the description. `paths`: all of them, below the project's folder.

    `root`: the folder's path in the repository that gets the description, "" for its root; `ignored`: its .dockerignore files;
    `own`: files and folders at its root that torchpin writes, which no image needs.
    """

    paths: Collection[str] = ()
    root: str = ""
    ignored: IgnoreFiles = field(default_factory=IgnoreFiles)
    own: Collection[str] = ()


@dataclass(kw_only=True, slots=True)
class _Copies:
    """The entries of `files:` while they are collected. `taken`: files that installs read, which the image no longer needs."""

    folder: ProjectFolder
    file: str
    paths: ProjectPaths
    context: str
    user: str
    volumes: Collection[str]
    taken: Collection[str]
    omitted: list[str]
    entries: dict[str, CopiedFiles] = field(default_factory=dict)  # by target
    patterns: dict[str, list[str]] = field(default_factory=dict)  # with what they match

    def matching(self, pattern: str) -> list[str]:
        """The paths that a pattern of a COPY names; none beyond the first patterns."""
        if pattern not in self.patterns and len(self.patterns) < _MOST_PATTERNS:
            depth = pattern.count("/")
            candidates = (path for path in (*self.paths, *self.paths.folders) if path.count("/") == depth)
            paths = sorted(path for path in candidates if fnmatchcase(path, pattern))
            self.patterns[pattern] = paths[:_MOST_FILES]
        return self.patterns.get(pattern, [])

    def add(self, source: str, place: str, step: BuildStep, *, is_folder: bool) -> None:
        """Adds a source of a COPY, a file or folder by its path in the project, that ends at or below a place of the image."""
        if not is_folder and (source in self.taken or is_dockerfile(posixpath.basename(source))):
            return
        origin = posixpath.join(self.folder.root, source).rstrip("/")
        problem = self._problem(origin, place)
        if problem:
            self.omitted.append(f"the copy of {source or '.'} to {place} ({problem})")
            return
        chown, chmod = step.instruction.flags.get("chown", ""), step.instruction.flags.get("chmod", "")
        owner = chown.partition(":")[0] if chown.partition(":")[0] == self.user else "root"
        self.entries[place] = CopiedFiles(
            origin=origin,
            target=place,
            owner=owner or "root",
            mode=chmod if patterns.MODE.pattern.fullmatch(chmod) else None,
            ignore=self._ignored(source) if is_folder else (),
        )

    def _problem(self, origin: str, place: str) -> str:
        """Why something cannot be an entry, "" where it can."""
        if not patterns.INSIDE.pattern.fullmatch(origin):
            return "a path that a description cannot name"
        if not patterns.ABSOLUTE.pattern.fullmatch(place) or patterns.NO_TARGET.fullmatch(place):
            return "the place is the system's"
        if place in self.entries:
            return f"{self.entries[place].origin} is copied there"
        if len(self.entries) >= _MOST_FILES:
            return f"beyond the first {_MOST_FILES}"
        hiding = next((path for path in self.volumes if f"{place}/".startswith(f"{path}/")), "")
        return f"the volume {hiding} hides it" if hiding else ""

    def _ignored(self, source: str) -> tuple[str, ...]:
        """The patterns of the .dockerignore for a folder that is the context itself."""
        lines = self.folder.ignored.lines_for(self.file, self.context) if source == self.context else ()
        return tuple(dict.fromkeys(line for line in lines if patterns.IGNORED.pattern.fullmatch(line)))


def copied_files(
    text: str,
    file: str,
    folder: ProjectFolder,
    taken: Collection[str],
    volumes: Collection[str],
    omitted: list[str],
) -> tuple[CopiedFiles, ...]:
    """The project files that a Dockerfile copies into its image; `omitted` gets what a description cannot express. Raises BoundError.

    `taken`: the files that installs read, `volumes`: what is mounted over.
    """
    steps = [step for step in _image_steps(text) if _is_copy(step)]
    paths = folder.paths if isinstance(folder.paths, ProjectPaths) else ProjectPaths(folder.paths)
    context = choose_context(map(copy_sources, steps), paths, file)
    copies = _Copies(
        folder=folder, file=file, paths=paths, context=context, user=final_user(text), volumes=volumes, taken=taken, omitted=omitted
    )  # fmt: skip
    for step in steps:
        *sources, target = copy_operands(step) or ("",)
        for source in sources:
            _add_source(copies, step, source, target, is_folder=len(sources) > 1)
    return tuple(copies.entries.values())


def _image_steps(text: str) -> Iterator[BuildStep]:
    return (step for step in build_steps(text) if step.in_image)


def _is_copy(step: BuildStep) -> bool:
    instruction = step.instruction
    is_copy = instruction.keyword in {"COPY", "ADD"} and not instruction.flags.get("from")
    return is_copy and not instruction.heredocs


def _add_source(copies: _Copies, step: BuildStep, source: str, target: str, *, is_folder: bool) -> None:
    if REMOTE_SOURCE.match(source):
        copies.omitted.append(f"the download of {source}")
        return
    place = posixpath.normpath(posixpath.join(step.folder, target))
    is_folder = is_folder or target.endswith("/") or target in {".", ".."}
    inner = posixpath.normpath(posixpath.join("/", source))[1:]
    path = posixpath.join(copies.context, inner) if inner else copies.context
    matches = copies.matching(path) if _PATTERN.search(path) else [path]
    if not matches:
        copies.omitted.append(
            f"the copy of {source} to {place} (no file of the project is known to be meant)"
        )
    for match in matches:
        if match in copies.paths:
            name = posixpath.join(place, posixpath.basename(match)) if is_folder else place
            copies.add(match, name, step, is_folder=False)
        elif match in copies.paths.folders:
            copies.add(match, place, step, is_folder=True)
        elif not match and copies.folder.root:
            copies.add("", place, step, is_folder=True)
        elif not match:  # an entry cannot be the repository itself
            for name in _top_level(copies):
                copies.add(name, posixpath.join(place, name), step, is_folder=name in copies.paths.folders)
        else:
            copies.omitted.append(f"the copy of {source} to {place} (it is not in the project)")


def _top_level(copies: _Copies) -> list[str]:
    """The files at a repository's root that are the project's own."""
    names = {path.partition("/")[0] for path in copies.paths}
    written_names = sorted(names & {*copies.folder.own})
    names -= {*written_names}
    if written_names:
        copies.omitted.append(
            f"{', '.join(written_names)} (torchpin writes {'it' if len(written_names) == 1 else 'them'})"
        )
    return sorted(name for name in names if not _NO_FILES.fullmatch(name) and name not in copies.taken)


def final_folder(text: str) -> str:
    """The folder that the command of an image starts in, "" where no WORKDIR says it. Raises BoundError."""
    folder = ""
    for step in _image_steps(text):
        if step.instruction.keyword == "WORKDIR":
            path = step.variables.expand(step.instruction.text, step.instruction.escape)
            folder = posixpath.normpath(posixpath.join(step.folder, path))
    return folder


def final_user(text: str) -> str:
    """The user of an image, as USER says it; "" for root and where no line says it. Raises BoundError."""
    user = ""
    for step in _image_steps(text):
        if step.instruction.keyword == "USER":
            user = step.variables.expand(step.instruction.text, step.instruction.escape).strip()
    name, _, group = user.partition(":")
    if name in {"root", "0"}:
        return ""
    if name.isdigit():
        return f"{name}:{group if group.isdigit() else 0}"
    return name
