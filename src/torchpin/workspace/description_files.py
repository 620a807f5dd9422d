"""The folders below services/, and why one of them has no description to read."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError
from torchpin.model import Position, Problem
from torchpin.tools.files import KINDS

if TYPE_CHECKING:
    from pathlib import Path

_ADVICE = "restore it from git, or run `invoke remove --service {}`"
_LINK_ADVICE = "restore it from git, or delete it and run `invoke remove --service {}`"


def service_names(root: Path) -> tuple[str, ...]:
    """The names of the folders and links below services/, sorted, but for those that git or Python leave behind.

    A hidden folder, an empty one and `__pycache__` are none as long as they have no service.yaml. Raises InputError when
    services/ cannot be listed.
    """
    folder = root / paths.SERVICES
    try:
        return tuple(name for name in _list_names(folder) if _is_service(folder / name))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{paths.SERVICES} cannot be listed: {error.strerror}; make it readable") from None


def _list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _is_service(path: Path) -> bool:
    if path.is_symlink():
        return not path.is_file()
    if not path.is_dir():
        return False
    try:
        content = {*_list_names(path)} - {"__pycache__"}
    except OSError:
        return True  # what it holds is unknown, so it is not passed over
    hidden = path.name.startswith(".") or path.name == "__pycache__"
    return bool(content) and (not hidden or "service.yaml" in content)


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
