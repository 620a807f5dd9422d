"""Which file of the project lies at a path of the image: COPY, bind mounts and clones followed from source to target."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.copy_patterns import is_match
from torchpin.project.docker_words import split_words
from torchpin.project.dockerfile import Heredoc
from torchpin.project.stages import find_stage, mount_options
from torchpin.project.text import PlacedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from torchpin.project.build_steps import BuildStep
    from torchpin.project.shell.values import WrittenFile
    from torchpin.project.stages import Stage

_MOST_ORIGINS = 50  # copies from stage to stage that one path is followed through
_MOST_COPIES = 200  # of a stage, the last ones before an instruction
_MOST_MATCHED = 1_000  # files of the project that one pattern of a COPY is tried on
REMOTE_SOURCE = re.compile(r"[a-z][a-z0-9+.-]*://|git@", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """What lies at a path of the image: a file of the project, or the text of a heredoc."""

    path: str = ""
    heredoc: Heredoc | None = None
    left_out: bool = False  # the build does not get it: a .dockerignore names it


class _Copy(NamedTuple):
    """`sources` end at `target`. `stage`: where they are taken from, None for the project; `heredocs`: those among them."""

    sources: tuple[str, ...]
    target: str
    is_folder: bool
    stage: int | None = None
    before: int | None = None  # how many copies of that stage come before it; all where it is None
    heredocs: tuple[Heredoc, ...] = ()
    keeps_parents: bool = False
    context: str = ""  # the folder of the project that the sources are relative to
    is_known: bool = True  # not: a clone, a download or another image, whose files nobody here has


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageView:
    """The files of a stage at one instruction. `count`: how many copies have been made by then."""

    files: ImageFiles
    stage: int
    count: int
    folder: str
    mounts: tuple[_Copy, ...] = ()

    def find(self, path: str, folder: str = "") -> tuple[ImageFile, ...] | None:
        """What may lie at a path, relative ones below `folder` or the shell's folder.

        () where nothing was copied there, None where it comes from elsewhere, such as a clone. Files that are left out
        are there only where nothing else is.
        """
        target = posixpath.normpath(posixpath.join(folder or self.folder, path))
        left_out: tuple[ImageFile, ...] = ()
        for mount in reversed(self.mounts):
            matches = self.files.at(mount, target, _MOST_ORIGINS)
            if present := _present(matches):
                return present
            left_out = left_out or matches
        copied = self.files.find(self.stage, self.count, target, _MOST_ORIGINS)
        return copied or left_out if copied is not None else None


class ProjectPaths(Collection[str]):
    """The paths of a project, and its folders, which are told once for all of its Dockerfiles."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self.folders: frozenset[str] = frozenset(_parents(self._paths))

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _parents(paths: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return folders


@dataclass(kw_only=True, slots=True)
class ImageFiles:
    """The copies of a build, stage by stage. `paths`: the project's files; `context`: the folder that the build gets, "" for all;
    `contexts`: further ones by name; `is_ignored`: whether a path is left out of a context, both by their paths in the project.
    """

    paths: Collection[str]
    stages: Sequence[Stage] = ()
    context: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    is_ignored: Callable[[str, str], bool] = lambda *_: False
    _copies: dict[int, list[_Copy]] = field(default_factory=dict)
    _folders: frozenset[str] = frozenset()
    _matched: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by pattern
    _found: dict[tuple[int, int, str], tuple[ImageFile, ...] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        paths = self.paths if isinstance(self.paths, ProjectPaths) else ProjectPaths(self.paths)
        self._folders = paths.folders

    def view(self, step: BuildStep) -> ImageView:
        """The files before an instruction, with what it mounts."""
        stage = step.stage.number
        flags = (flag.value for flag in step.instruction.all_flags if flag.name == "mount")
        options = (mount_options(step.variables.expand(flag)) for flag in flags)
        mounts = tuple(
            self._from(
                mount.get("from", ""),
                _Copy(
                    sources=(mount.get("source", "."),),
                    target=_joined(step.folder, mount["target"]),
                    is_folder=False,
                ),
            )
            for mount in options
            if mount["type"] == "bind" and "target" in mount
        )
        count = len(self._copies.get(stage, ()))
        return ImageView(files=self, stage=stage, count=count, folder=step.folder, mounts=mounts)

    def copy(self, step: BuildStep) -> None:
        """Follows a COPY or ADD."""
        instruction = step.instruction
        words = copy_operands(step)
        if len(words) < 2:  # noqa: PLR2004 - a source and a target
            return
        *sources, target = words
        names = {heredoc.name for heredoc in instruction.heredocs}
        plain = tuple(source for source in sources if _heredoc_name(source) not in names)
        copy = _Copy(
            sources=tuple(source for source in plain if not REMOTE_SOURCE.match(source)),
            target=_joined(step.folder, target),
            is_folder=len(sources) > 1 or target.endswith("/") or target in {".", ".."},
            heredocs=tuple(_filled_in(heredoc, step) for heredoc in instruction.heredocs),
            keeps_parents="parents" in instruction.flags,
        )
        copy = self._from(instruction.flags.get("from", ""), copy)
        is_earlier = copy.stage is None or copy.stage < step.stage.number
        self._add(step.stage.number, copy if is_earlier else copy._replace(stage=None, is_known=False))

    def _from(self, origin: str, copy: _Copy) -> _Copy:
        """A copy with what its sources are taken from: the project, a further context of it, a stage, or an image."""
        if not origin or origin in self.contexts:
            return copy._replace(context=self.contexts.get(origin, self.context))
        stage = find_stage(origin, self.stages)
        return copy._replace(stage=stage.number if stage else None, is_known=stage is not None)

    def follow(self, view: ImageView, command: Sequence[str]) -> ImageView:
        """The view behind a command of a RUN: `cd`; `cp`, `mv` and `ln`; `git clone`, whose folder is none of the project's."""
        if command[:1] == ("cd",) and len(command) > 1:
            return replace(view, folder=_joined(view.folder, command[1]))
        if command[:1] in {("cp",), ("mv",), ("ln",)}:
            *sources, target = [word for word in command[1:] if not word.startswith("-")] or [""]
            is_folder = len(sources) > 1 or target.endswith("/") or target == "."
            paths = tuple(_joined(view.folder, source) for source in sources)
            copy = _Copy(sources=paths, target=_joined(view.folder, target), is_folder=is_folder)
            copy = copy._replace(stage=view.stage, before=view.count)
        elif folder := _cloned_folder(command):
            copy = _Copy(sources=(".",), target=_joined(view.folder, folder), is_folder=True, is_known=False)
        else:
            return view
        self._add(view.stage, copy)
        return replace(view, count=len(self._copies[view.stage]))

    def hide(self, view: ImageView, path: str) -> ImageView:
        """The view behind a command that writes a file, of which nobody here knows what is in it."""
        self._add(
            view.stage, _Copy(sources=(), target=_joined(view.folder, path), is_folder=False, is_known=False)
        )
        return replace(view, count=len(self._copies[view.stage]))

    def write(self, view: ImageView, file: WrittenFile) -> ImageView:
        """The view behind a command of a RUN that writes a file."""
        path = _joined(view.folder, file.path)
        earlier = view.find(path) if file.appends else ()
        texts = [row.heredoc.content for row in earlier or () if row.heredoc]
        if file.appends and (earlier is None or len(texts) < len(earlier)):
            return view  # it lengthens a file of the project, or one that nobody here has
        heredoc = Heredoc(name=posixpath.basename(path), content=PlacedText.joined((*texts[:1], file.text)))
        self._add(view.stage, _Copy(sources=(), target=path, is_folder=False, heredocs=(heredoc,)))
        return replace(view, count=len(self._copies[view.stage]))

    def _add(self, stage: int, copy: _Copy) -> None:
        self._copies.setdefault(stage, []).append(copy)

    def find(self, stage: int, count: int, target: str, left: int) -> tuple[ImageFile, ...] | None:
        """What may lie at a path of a stage after its first copies, `left`: origins that may still be followed."""
        key = (stage, count, target)
        if key not in self._found:
            self._found[key] = ()  # where a stage copies from itself
            self._found[key] = self._find(stage, count, target, left)
        return self._found[key]

    def _find(self, stage: int, count: int, target: str, left: int) -> tuple[ImageFile, ...] | None:
        left_out: tuple[ImageFile, ...] = ()
        while left > 0:
            for copy in reversed(self._copies.get(stage, [])[max(count - _MOST_COPIES, 0) : count]):
                if not copy.is_known and _relative_path(target, copy.target) is not None:
                    return None
                matches = self.at(copy, target, left - 1)
                if present := _present(matches):
                    return present
                left_out = left_out or matches
            parent = self.stages[stage].parent if stage < len(self.stages) else None
            if parent is None:
                return left_out
            stage, left = parent.number, left - 1
            count = len(self._copies.get(stage, ()))
        return left_out

    def at(self, copy: _Copy, target: str, left: int) -> tuple[ImageFile, ...]:
        """What a copy may have put at a path."""
        for heredoc in copy.heredocs:
            path = posixpath.join(copy.target, heredoc.name) if copy.is_folder else copy.target
            if path == target:
                return (ImageFile(heredoc=heredoc),)
        matches: dict[ImageFile, None] = {}
        for source in copy.sources if copy.is_known and left > 0 else ():
            if copy.stage is None:
                matches |= dict.fromkeys(self._of_project(source, copy, target))
            else:
                count = len(self._copies.get(copy.stage, ())) if copy.before is None else copy.before
                share = (left - 1) // len(copy.sources)  # each has its own way down
                for path in _origins(posixpath.join("/", source), copy, target):
                    matches |= dict.fromkeys(self.find(copy.stage, count, path, share) or ())
        return tuple(matches)

    def _of_project(self, source: str, copy: _Copy, target: str) -> Iterator[ImageFile]:
        """The files of the project that are copied to a path."""
        for path in self.matched(source, copy.context):
            if path in self.paths:
                candidates: Iterable[str] = (
                    (path,) if target in _file_targets(path, copy, copy.context) else ()
                )
            else:
                inner = _relative_path(target, _folder_target(path, copy, copy.context))
                candidates = () if inner is None else (posixpath.normpath(posixpath.join(path, inner)),)
            for candidate in candidates:
                if candidate in self.paths:
                    yield ImageFile(path=candidate, left_out=self.is_ignored(candidate, copy.context))

    def matched(self, source: str, context: str) -> tuple[str, ...]:
        """The files and folders of the project that a source of a COPY names, patterns followed; "" is its root."""
        inner = posixpath.normpath(posixpath.join("/", source.lstrip("/")))[1:]  # it cannot leave the context
        path = posixpath.join(context, inner) if inner else context
        if not {"*", "?", "["} & {*source}:
            return (path,) if path in self.paths or path in self._folders or not path else ()
        if path not in self._matched:
            names = (*sorted(self.paths)[:_MOST_MATCHED], *sorted(self._folders)[:_MOST_MATCHED])
            self._matched[path] = tuple(name for name in names if is_match(path, name))
        return self._matched[path]


def _filled_in(heredoc: Heredoc, step: BuildStep) -> Heredoc:
    """A heredoc with the variables of the build, which stay within their lines, where its name is not quoted."""
    if not heredoc.expands or "$" not in heredoc.content.text:
        return heredoc
    lines = (
        (" ".join(step.variables.fill_in(line).splitlines()) + "\n", place)
        for line, place in heredoc.content.lines()
    )
    return replace(heredoc, content=PlacedText.of_lines(lines))


def _present(files: Iterable[ImageFile]) -> tuple[ImageFile, ...]:
    return tuple(file for file in files if not file.left_out)


def choose_context(steps: Iterable[tuple[str, ...]], paths: Collection[str], dockerfile: str) -> str:
    """The folder that a build is likely to get: of the Dockerfile's and those above it the one that has most of the sources."""
    folders = [posixpath.dirname(dockerfile)]
    while folders[-1].strip("/"):  # a project that is named from the root ends there
        folders.append(posixpath.dirname(folders[-1]))
    sources = [source for row in steps for source in row if not REMOTE_SOURCE.match(source)]
    scores = dict.fromkeys(folders, 0)
    files = ImageFiles(paths=paths)
    for folder in folders:
        scores[folder] = sum(
            bool(files.matched(source, folder)) for source in sources if source not in {".", "./"}
        )
    return max(folders, key=lambda folder: scores[folder]) if any(scores.values()) else ""


def copy_sources(step: BuildStep) -> tuple[str, ...]:
    """What a COPY or ADD takes from the project."""
    instruction = step.instruction
    if instruction.keyword not in {"COPY", "ADD"} or instruction.flags.get("from"):
        return ()
    return copy_operands(step)[:-1]


def copy_operands(step: BuildStep) -> tuple[str, ...]:
    """The sources and the target of a COPY, filled in."""
    instruction = step.instruction
    words = instruction.exec_form or tuple(
        word.text for word in split_words(instruction.text, instruction.escape)
    )
    return tuple(step.variables.expand(word, instruction.escape) for word in words)


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


_CLONE_VALUES = {
    "-b", "--branch", "-c", "--config", "--depth", "-j", "--jobs", "-o", "--origin", "--reference", "--revision",
    "--shallow-since", "--filter", "--separate-git-dir", "--template", "-u", "--upload-pack", "--server-option",
}  # fmt: skip


def _cloned_folder(command: Sequence[str]) -> str:
    """The folder that a `git clone` makes, "" for another command."""
    if command[:1] != ("git",) or "clone" not in command[1:4]:
        return ""
    words = [*command[command.index("clone") + 1 :]]
    operands = [
        word
        for number, word in enumerate(words)
        if not word.startswith("-") and (number == 0 or words[number - 1] not in _CLONE_VALUES)
    ]
    if len(operands) > 1:
        return operands[1]
    return (
        re.sub(r"(?:/?\.git)?/*$", "", operands[0]).rpartition("/")[2].rpartition(":")[2] if operands else ""
    )


def _heredoc_name(source: str) -> str:
    return source.partition("<<")[2].lstrip("-") if "<<" in source else ""


def _relative_path(path: str, folder: str) -> str | None:
    """A path relative to a folder, "." for the folder itself; None where it is not below it."""
    if path == folder:
        return "."
    prefix = folder.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _relative(path: str, context: str) -> str:
    return _relative_path(path, context) or path if context else path


def _file_targets(path: str, copy: _Copy, context: str) -> set[str]:
    """Where a file may end: a target without a slash at its end is a folder where there is one of that name."""
    if copy.keeps_parents:
        return {posixpath.join(copy.target, _relative(path, context))}
    inside = posixpath.join(copy.target, posixpath.basename(path))
    return {inside} if copy.is_folder else {copy.target, inside}


def _folder_target(path: str, copy: _Copy, context: str) -> str:
    """Where the content of a folder ends."""
    return posixpath.join(copy.target, _relative(path, context)) if copy.keeps_parents else copy.target


def _origins(source: str, copy: _Copy, target: str) -> Iterator[str]:
    """The paths of the stage that is copied from which may be what lies at a path: of a file, or of a folder."""
    source = posixpath.normpath(source)
    if target in _file_targets(source, copy, ""):
        yield source
    inner = _relative_path(target, copy.target)
    if inner not in {None, "."}:
        yield posixpath.join(source, str(inner))
