"""The files of another project that describe installs, found and read within bounds; what is passed over is reported."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import InputError, ToolError
from torchpin.project.bake_file import FILE_NAME as BAKE_NAME
from torchpin.project.compose_file import FILE_NAME as COMPOSE_NAME
from torchpin.project.decoding import UndecodableError, decode_text
from torchpin.project.dockerfile import FILE_NAME as DOCKERFILE_NAME
from torchpin.project.generated_files import is_generated_dockerfile, is_generated_lock
from torchpin.project.included_files import named_files
from torchpin.tools import process
from torchpin.tools.files import expect_inside
from torchpin.tools.git_command import git_executable
from torchpin.tools.git_variables import git_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_NAMES = re.compile(
    rf"({DOCKERFILE_NAME}|{BAKE_NAME}|{COMPOSE_NAME}|\.python-version|[\w.-]*(requirements|constraints)[\w.-]*\.txt|pyproject\.toml"
    r"|(uv|poetry|pdm)\.lock|pylock(\.[^.]+)?\.toml|uv\.toml|Pipfile(\.lock)?|environment\.ya?ml|pip\.conf|setup\.(cfg|py)|[\w.-]+\.sh)"
)
# Files of tools and of dependencies, not of the project.
_IGNORED_FOLDERS = {".git", ".venv", "venv", "node_modules", "__pycache__", "third_party", "site-packages"}
_MOST_BYTES = 20_000_000  # of one file, and of all together; a large uv.lock has a few million
_MOST_FILES = 2_000  # large monorepositories have some hundred
_MOST_FOLDERS = 200_000  # as many are walked in seconds
_MOST_NAMES = 100_000  # of files that are looked at where a Dockerfile names one
_MOST_ROUNDS = 5  # of files that are named by files that are named
_MOST_OF_A_NAME = 5  # files with the same name, of which a path in an image does not tell which one it is
_DEEPEST_FOLDER = 40  # folders; real projects have below 20


@dataclass(kw_only=True, slots=True)
class FolderTexts:
    """`texts` by path below the folder; `skipped`: what was passed over, and why; `unreadable`: places that are not text.

    `paths`: all files that were seen, of which the texts are some.
    """

    texts: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def read_folder(
    folder: Path,
    *,
    names: re.Pattern[str] = FILE_NAMES,
    heed_gitignore: bool = False,
    most_folders: int = _MOST_FOLDERS,
) -> FolderTexts:
    """The files below a folder whose names match. Raises InputError for what is not a folder."""
    if not folder.is_dir():
        raise InputError(f"not a directory: {folder}")
    result = FolderTexts()
    unread: dict[str, list[str]] = {}
    found_paths = _find_files(folder, names, result.skipped, most_folders, unread)
    paths = [str(path.relative_to(folder)) for path in found_paths]
    result.paths = sorted([*paths, *(path for of_name in unread.values() for path in of_name)])
    paths.sort(
        key=lambda path: path.endswith(".sh")
    )  # of scripts there are most, and few are run by an image
    visited: set[str] = set()
    for _ in range(_MOST_ROUNDS):
        ignored = _ignored_by_git(folder, paths) if heed_gitignore and paths else set()
        fresh = [path for path in paths if path not in ignored]
        if not _read_files(folder, fresh, result):
            break
        visited.update(paths)
        paths = sorted(
            _named_paths((result.texts[path] for path in fresh if path in result.texts), unread) - visited
        )
        if not paths:
            break
    return result


def take_out_generated(result: FolderTexts) -> list[str]:
    """Takes out the texts that torchpin generates, but for locks that other files name; the line that says so, if any."""
    texts = result.texts
    dockerfiles = {path for path, text in texts.items() if is_generated_dockerfile(path, text)}
    locks = {path for path, text in texts.items() if is_generated_lock(path, text)}
    if locks:
        written = (text for path, text in texts.items() if path not in dockerfiles | locks)
        names = {Path(name).name for text in written for name in named_files(text)}
        locks = {path for path in locks if Path(path).name not in names}
    for path in dockerfiles | locks:
        del texts[path]
    numbers = [
        f"{len(paths)} {word}{'s' if len(paths) > 1 else ''}"
        for paths, word in ((dockerfiles, "Dockerfile"), (locks, "lock file"))
        if paths
    ]
    if not numbers:
        return []
    return [f"not checked: {' and '.join(numbers)} that torchpin generates; `invoke verify` checks them"]


def _read_files(folder: Path, names: Iterable[str], result: FolderTexts) -> bool:
    """Reads files; False where a bound was reached."""
    size = sum(map(len, result.texts.values()))
    for name in names:
        if len(result.texts) >= _MOST_FILES:
            result.skipped.append(f"{name}: skipped with all after it, over {_MOST_FILES} files to read")
            return False
        content = read_file(folder, name, result)
        size += len(content or "")
        if size > _MOST_BYTES:
            result.skipped.append(f"{name}: skipped with all after it, over {_MOST_BYTES} bytes to read")
            return False
        if content is not None:
            result.texts[name] = content
    return True


def _named_paths(texts: Iterable[str], unread: Mapping[str, list[str]]) -> set[str]:
    """The files that texts name, whatever they are called: those whose paths have the longest same end first.

    Which of them a path in an image is depends on what is copied there.
    """
    paths: set[str] = set()
    for name in {name for text in texts for name in named_files(text)}:
        parts = [part for part in name.split("/") if part not in {"", ".", ".."}]
        candidates = unread.get(parts[-1], []) if parts else []
        order = sorted(
            candidates, key=lambda path: (-_same_end(path.split("/"), parts), path.count("/"), path)
        )
        paths.update(order[:_MOST_OF_A_NAME])
    return paths


def _same_end(path: list[str], name: list[str]) -> int:
    pairs = zip(reversed(path), reversed(name), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _find_files(
    folder: Path,
    names: re.Pattern[str],
    skipped: list[str],
    most_folders: int,
    unread: dict[str, list[str]],
) -> list[Path]:
    """The files by name. No link to a folder is followed, and no recursion, which deep folders would exhaust.

    `unread` gets the paths of the other files, by name.
    """
    paths: list[Path] = []
    count = 0
    for number, (parent, folders, files) in enumerate(os.walk(folder)):
        relative_path = Path(parent).relative_to(folder)
        folders[:] = sorted({*folders} - _IGNORED_FOLDERS)
        paths += [Path(parent, file) for file in files if names.fullmatch(file)]
        count += len(files)
        for file in files if count <= _MOST_NAMES else ():
            if not names.fullmatch(file):
                unread.setdefault(file, []).append(str(relative_path / file))
        if number >= most_folders:
            skipped.append(f"{relative_path}: skipped with all after it, over {most_folders} folders")
            break
        if folders and len(relative_path.parts) >= _DEEPEST_FOLDER:
            skipped.append(f"{relative_path}: skipped what is below, deeper than {_DEEPEST_FOLDER} folders")
            folders.clear()
    return sorted(paths)


def _ignored_by_git(folder: Path, paths: Iterable[str]) -> set[str]:
    """Those of the paths that git ignores; none outside of a repository, and without git.

    Only names are requested, and no program that the repository's own settings name is started.
    """
    inside = folder.absolute()
    if not any((parent / ".git").exists() for parent in (inside, *inside.parents)):
        return set()
    command = (
        *(git_executable(), "-c", "core.fsmonitor=false", "-C", str(folder)),
        *("check-ignore", "--stdin", "-z"),
    )
    text = "".join(f"{path}\0" for path in paths if path.isprintable())
    try:
        answer = process.run(command, env=git_variables(), check=False, text=text, timeout=process.QUICK)
    except ToolError:
        return set()
    return {name for name in answer.stdout.split("\0") if name} if not answer.returncode else set()


def read_file(folder: Path, name: str, result: FolderTexts) -> str | None:
    """The text of a file; None, and the reason in `result`, where it is none.

    A link out of the project is not followed: what it leads to, such as a .netrc, would be quoted in findings.
    """
    try:
        path = expect_inside(folder, name)
        if not path.is_file():  # a FIFO would be waited for, and a link may lead nowhere
            result.skipped.append(f"{name}: skipped, not a file")
            return None
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        name.encode()
        if len(content) > _MOST_BYTES:
            result.skipped.append(f"{name}: skipped, over {_MOST_BYTES} bytes")
            return None
        return decode_text(content, name)
    except ToolError:
        result.skipped.append(f"{name}: skipped, a link to {os.path.realpath(folder / name)}")
    except UnicodeEncodeError:
        result.skipped.append(f"{name}: skipped, its name is not UTF-8")
    except UndecodableError as error:
        result.unreadable.append((f"{name}:{error.line}:1", error.reason))
    except OSError as error:
        result.skipped.append(f"{name}: skipped, {error.strerror or error}")
    return None
