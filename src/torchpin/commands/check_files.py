"""The files that `check` is called with: folders, single files with what they include, a text from standard input."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.commands.ignore_files import read_ignore_files
from torchpin.commands.project_files import (
    FILE_NAMES,
    FolderTexts,
    read_folder,
    take_out_generated,
)
from torchpin.errors import InputError, ToolError, os_error_reason
from torchpin.project.build_context import IgnoreFiles
from torchpin.project.decoding import UndecodableError, decode_text
from torchpin.project.dockerfile import SOURCE_CODE
from torchpin.project.image_builds import is_build_file, read_build_file
from torchpin.tools.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STDIN = "-"
_DESCRIPTION = re.compile(r"(?:^|/)services/[^/]+/service\.yaml$")
_OF_SERVICE = re.compile(
    r"^(?:torch|python|layers):", re.MULTILINE
)  # a service.yaml of Kubernetes has no such key
_BUILD_FILES = r"(?:docker-)?compose[\w.-]*\.ya?ml|[\w.-]*bake[\w.-]*\.(?:hcl|json)"  # whether it is one, is_build_file says
# Templates hold marks of their own, and a .dockerignore is none of the files that it is named after.
_NAMES = re.compile(
    rf"(?!.*\.(?:j2|jinja2?|tmpl|tpl|template|erb|mustache|in|dockerignore)$)(?:{FILE_NAMES.pattern}|service\.yaml|{_BUILD_FILES})"
)
_MOST_FOLDERS_AROUND = 2_000  # that are looked into for what a named file includes; as many are walked in a twentieth of a second
_MOST_BYTES = 20_000_000  # of a file that is named; a large uv.lock has a few million


@dataclass(kw_only=True, slots=True)
class CheckedProject:
    """Files that are read together, by path as it is printed. `named`: the ones that are checked, None for all of them.

    `ignored`: the .dockerignore files beside them.
    """

    texts: dict[str, str]
    named: frozenset[str] | None = None
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    ignored: IgnoreFiles = field(default_factory=IgnoreFiles)

    def with_texts(self, changed: dict[str, str]) -> CheckedProject:
        """The same files, some of them with another text."""
        texts = {path: changed.get(path, text) for path, text in self.texts.items()}
        return replace(self, texts=texts)


@dataclass(kw_only=True, slots=True)
class CheckedFiles:
    """`descriptions`: service.yaml by path; `problems`: what was named and cannot be read; `skipped`: what was passed over."""

    projects: list[CheckedProject] = field(default_factory=list)
    descriptions: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def texts(self) -> dict[str, str]:
        """The texts of all files that are checked, or were read for those that are."""
        texts: dict[str, str] = {}
        for project in self.projects:
            texts |= project.texts
        return texts | self.descriptions


def read_checked_files(
    paths: Sequence[str], *, stdin: str | None = None, stdin_name: str = ""
) -> CheckedFiles:
    """The files of arguments; the current folder without one. `stdin`: the text of `-`, and the name that it goes by.

    Raises InputError for `-` without a name.
    """
    files = CheckedFiles()
    single: dict[Path, list[str]] = {}
    for path in paths or ["."]:
        if path == STDIN:
            if not stdin_name:
                raise InputError(
                    "`-` needs --stdin-filename, which says what kind of file it is, and where it is"
                )
            single.setdefault(_project_folder(Path(stdin_name)), []).append(_shown(Path(stdin_name)))
        elif Path(path).is_dir():
            _add_folder(files, Path(path))
        elif problem := _kind_problem(Path(path)):
            files.problems.append(problem)
        else:
            single.setdefault(_project_folder(Path(path)), []).append(_shown(Path(path)))
    texts = {_shown(Path(stdin_name)): stdin or ""} if stdin_name else {}
    for folder, names in single.items():
        _add_named(files, folder, names, texts)
    return files


def _kind_problem(path: Path) -> str:
    """Why a path is not a file to check, "" where it is one."""
    if not os.path.lexists(path):
        return f"{path} does not exist"
    if not (path.is_file()):
        return f"{path} is not a file"
    return (
        ""
        if _is_checkable(path.name)
        else f"{path} is not one of the files that are checked: Dockerfiles, requirement files (.txt), pyproject.toml, lock "
        "files, bake and compose files, service.yaml"
    )


def _is_checkable(name: str) -> bool:
    return bool(_NAMES.fullmatch(name)) or name.endswith(".txt") or is_dockerfile_name(name)


def is_dockerfile_name(path: str) -> bool:
    """Whether a path has a name that Dockerfiles have: `Dockerfile.gpu`, `serve.dockerfile`, `Containerfile`."""
    name = posixpath.basename(path)
    is_code = re.match(SOURCE_CODE, name) is not None
    return not is_code and re.search(r"dockerfile|containerfile", name, re.IGNORECASE) is not None


def _shown(path: Path) -> str:
    """A path as it is printed: relative to the current folder where it lies below it."""
    absolute = Path(posixpath.normpath(path.absolute()))
    folder = Path.cwd()
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)


def _project_folder(path: Path) -> Path:
    """The folder whose files a single file may include: the repository that it is in, else its own folder."""
    folder = Path(posixpath.normpath(path.absolute())).parent
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def _add_folder(files: CheckedFiles, folder: Path) -> None:
    read = read_folder(folder, names=_NAMES, heed_gitignore=True)
    generated = take_out_generated(read)
    ignored = read_ignore_files(folder, read, lambda path: _shown(folder / path))
    files.skipped += [str(folder / line) if str(folder) != "." else line for line in read.skipped]
    files.skipped += generated
    texts = {_shown(folder / path): text for path, text in read.texts.items()}
    for path in [path for path in texts if path.endswith("service.yaml")]:
        text = texts.pop(path)
        if _DESCRIPTION.search(path) and _OF_SERVICE.search(text):
            files.descriptions[path] = text
    unreadable = [(_shown(folder / place), reason) for place, reason in read.unreadable]
    _add_projects(files, CheckedProject(texts=texts, unreadable=unreadable, ignored=ignored))


def _add_projects(files: CheckedFiles, project: CheckedProject) -> None:
    """Adds the files as one project; one more for each further folder that has a pyproject.toml or a uv.lock of its own."""
    texts, named = project.texts, project.named
    project_names = {"pyproject.toml", "uv.lock"}
    folders = sorted(
        {posixpath.dirname(path) for path in texts if posixpath.basename(path) in project_names}, key=_depth
    )
    first = {path: text for path, text in texts.items() if not _is_of(path, project_names, folders[1:])}
    files.projects.append(replace(project, texts=first))
    for folder in folders[1:]:
        inner = {path: text for path, text in texts.items() if _is_of(path, project_names, [folder])}
        if named is None or named & {*inner}:
            files.projects.append(CheckedProject(texts=inner, named=named))


def _depth(folder: str) -> tuple[int, str]:
    return folder.count("/") + bool(folder), folder


def _is_of(path: str, names: set[str], folders: list[str]) -> bool:
    return posixpath.basename(path) in names and posixpath.dirname(path) in folders


def _add_named(files: CheckedFiles, folder: Path, names: list[str], stdin_texts: dict[str, str]) -> None:
    """Adds files by name; the others of their folder are there to be included, and other Dockerfiles are left out."""
    named_texts: dict[str, str] = {}
    for name in [*names, *_built(files, names, stdin_texts)]:
        text = stdin_texts.get(name)
        text = _read_named(files, name) if text is None else text
        if text is not None and posixpath.basename(name) == "service.yaml":
            files.descriptions[name] = text
        elif text is not None:
            named_texts[name] = text
    if not named_texts:
        return
    is_there = folder.is_dir()
    around = (
        read_folder(folder, names=_NAMES, most_folders=_MOST_FOLDERS_AROUND) if is_there else FolderTexts()
    )
    texts = {_shown(folder / path): text for path, text in around.texts.items()}
    included = {
        path: text
        for path, text in texts.items()
        if not is_dockerfile_name(path) and posixpath.basename(path) != "service.yaml"
    }
    ignored = read_ignore_files(folder, around, lambda path: _shown(folder / path))
    _add_projects(
        files, CheckedProject(texts=included | named_texts, named=frozenset(named_texts), ignored=ignored)
    )


def _built(files: CheckedFiles, names: Sequence[str], stdin_texts: Mapping[str, str]) -> list[str]:
    """The Dockerfiles that named bake and compose files have built; one that is not there is a problem."""
    dockerfiles: dict[str, None] = {}
    for name in filter(is_build_file, names):
        text = stdin_texts.get(name) if name in stdin_texts else _read_named(files, name)
        build_file = read_build_file(name, text or "", str(Path.cwd()))
        files.problems += [str(problem) for problem in build_file.problems]
        for build in build_file.builds:
            if build.placed:
                continue
            if build.inline:
                files.skipped.append(
                    f"{build.position}: skipped, a Dockerfile within this file is checked in a compose file only, as a literal "
                    "block (`dockerfile_inline: |`)"
                )
            elif not Path(build.dockerfile).absolute().is_relative_to(_project_folder(Path(name))):
                files.problems.append(
                    f"{build.position}: {build.dockerfile} is outside of the repository; check it by its name"
                )
            elif not Path(build.dockerfile).is_file():
                files.problems.append(f"{build.position}: {build.dockerfile} does not exist")
            else:
                dockerfiles[build.dockerfile] = None
    return [name for name in dockerfiles if name not in names]


def _read_named(files: CheckedFiles, name: str) -> str | None:
    try:
        content = read_bytes(Path(name), most_bytes=_MOST_BYTES)
        return None if content is None else decode_text(content, name)
    except UndecodableError as error:
        files.problems.append(f"{name}:{error.line}:1: {error.reason}")
    except ToolError as error:
        files.problems.append(str(error))
    except OSError as error:
        files.problems.append(os_error_reason(error))
    return None
