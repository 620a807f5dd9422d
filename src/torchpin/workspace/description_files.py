"""The folders below services/, and why one of them has no description to read."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description.yaml_reader import MOST_CHARACTERS
from torchpin.errors import InputError, ToolError
from torchpin.model import Position, Problem
from torchpin.tools.files import KINDS, expect_inside, read_bytes

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_ADVICE = "restore it from git, or run `invoke remove --service {}`"
_OWN_FILES = frozenset({"service.yaml", "service.yml", "smoke.py"})  # in lower case
_LINK_ADVICE = "restore it from git, or delete it and run `invoke remove --service {}`"


def service_names(root: Path) -> tuple[str, ...]:
    """The names of the folders and links below services/ that are services, sorted.

    Without service.yaml, a hidden folder, an empty one, `__pycache__` and somebody else's are none; one with a smoke test, or
    of which a lock, a rendering or a record stands, has lost its description. Raises InputError when services/ cannot be
    listed.
    """
    folder = root / paths.SERVICES
    try:
        return tuple(name for name in _list_names(folder) if _is_service(root, folder / name))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{paths.SERVICES} cannot be listed: {error.strerror}; make it readable") from None


def _list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _is_service(root: Path, path: Path) -> bool:
    if path.is_symlink():
        return not path.is_file()
    if not path.is_dir():
        return False
    try:
        content = {*_list_names(path)} - {"__pycache__"}
    except OSError:
        return True  # what it holds is unknown, so it is not passed over
    hidden = path.name.startswith(".") or path.name == "__pycache__"
    if hidden or not content:
        return "service.yaml" in content
    return bool({name.lower() for name in content} & _OWN_FILES) or _is_made_of(root, path.name)


def _is_made_of(root: Path, name: str) -> bool:
    """Whether a folder of an environment stands that may be of this service."""
    return any(
        folder.name.startswith(f"{name}-") and is_environment_folder(root, parent, folder.name)
        for parent in (paths.LOCKFILES, paths.DOCKER, paths.RECORDS)
        for folder in (root / parent).glob("*/")
    )


def is_environment_folder(root: Path, parent: str, name: str) -> bool:
    """Whether a folder of `parent` has what is made for an environment; in docker/ and records/ people have folders, too."""
    if parent == paths.LOCKFILES:
        return any((root / parent / name).glob("*"))  # git tracks no empty folders
    generated_paths = (
        paths.rendered_paths(name)[1:]  # a Dockerfile may be somebody's
        if parent == paths.DOCKER
        else (paths.sbom_path(name), paths.freeze_path(name), paths.build_path(name))
    )
    return any((root / path).exists() for path in generated_paths)


def read_texts(
    root: Path, *, leaving: str = "", only: Collection[str] | None = None
) -> tuple[dict[str, str], dict[str, tuple[Problem, ...]]]:
    """The texts of every services/<name>/service.yaml but that of `leaving`, by path, and why others cannot be read.

    Raises ToolError for a link out of the repository, of a service in `only` (None: of any).
    """
    texts: dict[str, str] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    for name in service_names(root):
        if name == leaving:
            continue
        path = paths.description_path(name)
        try:
            text = _read_text(root, name)
        except ToolError as error:
            if only is None or name in only:
                raise
            text = _problem(path, str(error).removeprefix(f"{root / path} "), name)
        if isinstance(text, str):
            texts[path] = text
        else:
            problems[path] = (text,)
    return texts, problems


def _read_text(root: Path, name: str) -> str | Problem:
    """The text of a service.yaml, or why it cannot be read. Raises ToolError for a link out of the repository."""
    problem = find_problem(root, name)
    if problem:
        return problem
    path = paths.description_path(name)
    expect_inside(root, path)
    try:
        content = read_bytes(root / path, most_bytes=MOST_CHARACTERS) or b""
    except ToolError as error:
        return _problem(path, str(error).removeprefix(f"{root / path} "), name)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return encoding_problem(path, content, error)


def encoding_problem(path: str, content: bytes, error: UnicodeDecodeError) -> Problem:
    position = Position(file=path, line=content[: error.start].count(b"\n") + 1, column=1)
    message = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
    return Problem(position=position, path="", message=message)


def find_problem(root: Path, name: str) -> Problem | None:
    """Why the service.yaml of a folder cannot be read, None where it can. It is not opened before it is known to be a file."""
    folder, path = paths.service_folder(name), paths.description_path(name)
    try:
        names = _list_names(root / folder)
    except FileNotFoundError:
        return _problem(
            folder, f"is a link to {(root / folder).readlink()}, which does not exist; {_LINK_ADVICE}", name
        )
    except OSError as error:
        return _problem(folder, f"cannot be listed: {error.strerror}; make it readable", name)
    try:
        kind = stat.S_IFMT((root / path).stat().st_mode)
        if kind != stat.S_IFREG:
            return _problem(path, f"is {KINDS.get(kind, 'no file')}, not a file; {_LINK_ADVICE}", name)
        with (root / path).open("rb"):
            return None
    except FileNotFoundError:
        return _missing_file(root, name, names)
    except OSError as error:
        return _problem(path, f"cannot be read: {error.strerror}; make it readable", name)


def _missing_file(root: Path, name: str, names: list[str]) -> Problem:
    folder, path = paths.service_folder(name), paths.description_path(name)
    if (root / path).is_symlink():
        return _problem(
            path, f"is a link to {(root / path).readlink()}, which does not exist; {_LINK_ADVICE}", name
        )
    similar = [file for file in names if file.lower() in {"service.yml", "service.yaml"}]
    if similar:
        return _problem(
            f"{folder}/{similar[0]}", "is not read under this name; rename it to service.yaml", name
        )
    return _problem(
        folder, f"has no service.yaml; {_ADVICE}, or move the folder out of {paths.SERVICES}", name
    )


def _problem(file: str, message: str, name: str) -> Problem:
    position = Position(file=file, line=0, column=0)
    return Problem(position=position, path="", message=message.replace("{}", name))
