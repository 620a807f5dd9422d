"""The files of another project, how a name in a command leads to one of them, and what is read of each."""

from __future__ import annotations

import posixpath
from collections import ChainMap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torchpin.project.included_files import read_requirement_file
from torchpin.project.pyproject import PythonProject, read_pyproject
from torchpin.project.requirement import LONGEST_REQUIREMENT, InstallTarget, parse_target
from torchpin.project.secret_values import hide_secret
from torchpin.project.text import PlacedText

_DEEPEST = 40  # folders of a path that are compared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.project.included_files import RequirementRows
    from torchpin.project.install import InstallCommand
    from torchpin.project.lock_file import LockedPackage, LockFile
    from torchpin.project.requirement import Origin
    from torchpin.project.requirement_file import FileRequirement, Row
    from torchpin.project.runs import RunCommand, UnreadRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """The files of a project that could be read, by kind, in the order of their names."""

    texts: Mapping[str, str]
    dockerfiles: tuple[str, ...]
    requirement_files: tuple[str, ...]  # requirements*.txt and constraints*.txt
    pyproject: Mapping[str, Any]
    pyproject_file: str
    locked: Mapping[str, LockedPackage]  # by normalized name
    lock_file: str  # the path of the lock that `locked` is of, "" for none
    locks: Mapping[str, LockFile] = field(default_factory=dict)  # by path
    unreadable: tuple[tuple[str, str], ...] = ()  # (file or file:line:column, why it cannot be read)
    runs: Mapping[str, tuple[RunCommand, ...]] = field(default_factory=dict)  # by Dockerfile
    unread_runs: Mapping[str, tuple[UnreadRun, ...]] = field(default_factory=dict)  # by Dockerfile
    paths: Mapping[str, str] = field(default_factory=dict)  # by the end of the path, at each of its folders
    # What was read of each file, kept for the rules, which read it several times.
    installs: dict[str, tuple[InstallCommand, ...]] = field(default_factory=dict, repr=False, compare=False)
    steps: dict[int, tuple[InstallCommand, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )  # by the identity of their commands in `runs`: several may stand at one place
    rows: dict[tuple[str, bool], RequirementRows] = field(default_factory=dict, repr=False, compare=False)
    parsed_rows: dict[str, tuple[Row, ...]] = field(default_factory=dict, repr=False, compare=False)
    lines: dict[str, tuple[InstallTarget | tuple[str, str], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    python_projects: dict[str, PythonProject] = field(default_factory=dict, repr=False, compare=False)


def find_file(project: Project, name: str, run: RunCommand | None = None) -> str | None:
    """The project's file at a path inside an image; None where there is none, or it comes from elsewhere.

    Elsewhere is a clone, a heredoc, or a file that is left out of the build.

    By what was copied there; where nothing was, by the longest same end of the path, beside the Dockerfile first.
    """
    copied = run.files.find(name) if run and run.files else ()
    if copied is None or any(file.left_out or file.heredoc for file in copied):
        return None
    for file in copied:
        if file.path in project.texts:
            return file.path
    folder = posixpath.dirname(run.file) if run else ""
    parts = [part for part in posixpath.normpath(name).split("/") if part not in {"", "..", "."}]
    for start in range(max(len(parts) - _DEEPEST, 0), len(parts)):
        end = "/".join(parts[start:])
        local = posixpath.join(folder, end)
        path = local if local in project.texts else project.paths.get(end)
        if path:
            return path
    return None


def may_have_file(project: Project, file: str, name: str) -> bool:
    """Whether an image can have a file of a name: the project has one, or the Dockerfile names it."""
    return name in project.paths or name in project.texts or name in project.texts.get(file, "")


def copied_text(project: Project, name: str, run: RunCommand) -> tuple[str, PlacedText] | None:
    """The file of a text that lies at a path inside an image, and the text; None where nothing that is known was put there."""
    for file in (run.files.find(name) if run.files else ()) or ():
        if file.heredoc:
            return run.file, file.heredoc.content
        if file.path in project.texts and not file.left_out:
            return file.path, PlacedText.of_text(project.texts[file.path])
    return None


def left_out_file(name: str, run: RunCommand) -> str:
    """The project's file that a COPY names for a path inside an image, and that a .dockerignore leaves out; "" for none."""
    copied = run.files.find(name) if run.files else ()
    return next((file.path for file in copied or () if file.left_out), "")


def is_found_by_name(name: str, path: str, run: RunCommand) -> bool:
    """Whether a file was found by its name alone, though the path in the image has folders."""
    parts = [part for part in posixpath.normpath(name).split("/") if part not in {"", "..", "."}]
    is_copied = bool(run.files and run.files.find(name))
    return not is_copied and len(parts) > 1 and not f"/{path}".endswith("/" + "/".join(parts[-2:]))


def find_included(project: Project, name: str, file: str) -> str | None:
    """The file that a requirement file includes: relative to it, else as a path of the image."""
    relative = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    return relative if relative in project.texts else find_file(project, relative)


def requirement_rows(project: Project, path: str, *, is_constraint: bool = False) -> RequirementRows:
    """The rows of a requirement file and of those that it includes."""
    key = (path, is_constraint)
    if key not in project.rows:
        project.rows[key] = read_requirement_file(
            path,
            texts=project.texts,
            find=lambda name, file: find_included(project, name, file),
            is_constraint=is_constraint,
            parsed=project.parsed_rows,
        )
    return project.rows[key]


def heredoc_rows(
    project: Project, name: str, run: RunCommand, *, is_constraint: bool = False
) -> RequirementRows | None:
    """The rows of a list that a COPY has in a heredoc, at their lines of the Dockerfile; None where there is none."""
    copied = run.files.find(name) if run.files else ()
    heredoc = next((file.heredoc for file in copied or () if file.heredoc), None)
    if heredoc is None:
        return None
    first = heredoc.content.place(0).line
    text = "\n" * (first - 1) + heredoc.content.text

    def find(included: str, file: str) -> str | None:
        if file != run.file:
            return find_included(project, included, file)
        return find_file(project, posixpath.join(posixpath.dirname(name), included), run)

    texts = ChainMap({run.file: text}, dict(project.texts))
    return read_requirement_file(run.file, texts=texts, find=find, is_constraint=is_constraint)


def python_project(project: Project, path: str) -> PythonProject:
    """A pyproject.toml, read once."""
    if path not in project.python_projects:
        project.python_projects[path] = read_pyproject(path, project.texts.get(path, ""))
    return project.python_projects[path]


def hidden_target(
    text: str,
    location: str,
    *,
    origin: Origin = "command",
    index: str = "",
    editable: bool = False,
    hashes: int = 0,
) -> InstallTarget:
    """A target whose text has no secret."""
    shown = text if len(text) <= LONGEST_REQUIREMENT else text[: LONGEST_REQUIREMENT + 1]
    return parse_target(
        hide_secret(shown),
        location,
        origin=origin,
        index=hide_secret(index),
        editable=editable,
        hashes=hashes,
    )


def row_target(row: FileRequirement) -> InstallTarget:
    """The target of a line of a requirement file."""
    hashes = sum(name == "--hash" for name, _ in row.options)
    return hidden_target(
        row.text, str(row.position), origin="requirement file", editable=row.editable, hashes=hashes
    )


def requirement_lines(project: Project, path: str) -> tuple[InstallTarget | tuple[str, str], ...]:
    """The requirements of a file and of those that it includes, and its (option, value) pairs for indexes."""
    if path not in project.lines:
        kinds = {"--index-url": "index", "--extra-index-url": "extra", "--find-links": "links"}
        rows = requirement_rows(project, path)
        options = [(kinds[row.name], hide_secret(row.value)) for row in rows.options if row.name in kinds]
        project.lines[path] = (*map(row_target, rows.requirements), *options)
    return project.lines[path]


def pyproject_targets(project: Project) -> tuple[InstallTarget, ...]:
    """The dependencies that the project's pyproject.toml declares, without extras and groups."""
    if not project.pyproject_file:
        return ()
    python = python_project(project, project.pyproject_file)
    return tuple(
        hidden_target(text, str(position), origin="pyproject") for text, position in python.required()
    )
