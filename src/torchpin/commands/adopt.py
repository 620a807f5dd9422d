"""`adopt`: a description drafted from the files of another project, and both judged."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.decoding import UndecodableError, decode_text
from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import FINDINGS, InputError, ToolError
from torchpin.tools.files import expect_inside
from torchpin.workspace import evidence
from torchpin.workspace.writer import create_files

if TYPE_CHECKING:
    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.checks.registry import Result
    from torchpin.workspace.workspace import Repository

_FILE_NAMES = re.compile(
    r"(Dockerfile|Dockerfile\..+|.+\.Dockerfile|[\w.-]*(requirements|constraints)[\w.-]*\.txt|pyproject\.toml|uv\.lock)"
)
# Files of tools and of dependencies, not of the project.
_IGNORED_FOLDERS = {".git", ".venv", "venv", "node_modules", "__pycache__", "third_party", "site-packages"}
_MOST_BYTES = 20_000_000  # of one file, and of all together; a large uv.lock has a few million
_MOST_FILES = 2_000  # large monorepositories have some hundred
_MOST_FOLDERS = 200_000  # as many are walked in seconds
_MOST_REASONS = 20  # why nothing could be read, in a message
_DEEPEST_FOLDER = 40  # folders; real projects have below 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A draft with the matches of the rules, and the judge's results about it."""

    adoption: Adoption
    results: tuple[Result, ...]
    skipped: tuple[str, ...]  # what was passed over: the path and the reason

    @property
    def has_problems(self) -> bool:
        """Whether a rule matches, or the judge has an open finding."""
        return bool(self.adoption.matches or any(result.findings for result in self.results))


def adopt(folder: Path, *, name: str = "") -> Adopted:
    """Reads and judges a project below a folder. Raises InputError for a folder without a file to read."""
    unreadable: list[tuple[str, str]] = []
    texts, skipped = _read_texts(folder, unreadable)
    if not texts:
        reasons = [*skipped, *(f"{location}: {reason}" for location, reason in unreadable)]
        raise InputError(
            "\n".join(
                [
                    *reasons[:_MOST_REASONS],
                    f"no Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock in {folder}",
                ]
            )
        )
    draft = draft_adoption(texts, name or _service_name(folder), unreadable)
    return Adopted(adoption=draft, results=_judge_draft(draft), skipped=skipped)


def _read_texts(folder: Path, unreadable: list[tuple[str, str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files that describe installs, by path, and what was passed over; `unreadable` gets places that are no text."""
    if not folder.is_dir():
        raise InputError(f"not a directory: {folder}")
    texts: dict[str, str] = {}
    skipped: list[str] = []
    size = 0
    for path in _find_files(folder, skipped):
        name = str(path.relative_to(folder))
        if len(texts) >= _MOST_FILES:
            skipped.append(f"{name}: skipped with all after it, over {_MOST_FILES} files to read")
            break
        content = _read_file(folder, name, skipped, unreadable)
        size += len(content or "")
        if size > _MOST_BYTES:
            skipped.append(f"{name}: skipped with all after it, over {_MOST_BYTES} bytes to read")
            break
        if content is not None:
            texts[name] = content
    return texts, tuple(skipped)


def _find_files(folder: Path, skipped: list[str]) -> list[Path]:
    """The files by name. No link to a folder is followed, and no recursion, which deep folders would exhaust."""
    paths: list[Path] = []
    for number, (parent, folders, files) in enumerate(os.walk(folder)):
        relative_path = Path(parent).relative_to(folder)
        folders[:] = sorted({*folders} - _IGNORED_FOLDERS)
        paths += [Path(parent, file) for file in files if _FILE_NAMES.fullmatch(file)]
        if number >= _MOST_FOLDERS:
            skipped.append(f"{relative_path}: skipped with all after it, over {_MOST_FOLDERS} folders")
            break
        if folders and len(relative_path.parts) >= _DEEPEST_FOLDER:
            skipped.append(f"{relative_path}: skipped what is below, deeper than {_DEEPEST_FOLDER} folders")
            folders.clear()
    return sorted(paths)


def _read_file(folder: Path, name: str, skipped: list[str], unreadable: list[tuple[str, str]]) -> str | None:
    """The text of a file; None, and the reason in `skipped` or `unreadable`, where it is none.

    A link out of the project is not followed: what it leads to, such as a .netrc, would be quoted in findings.
    """
    try:
        path = expect_inside(folder, name)
        if not path.is_file():  # a FIFO would be waited for, and a link may lead nowhere
            skipped.append(f"{name}: skipped, not a file")
            return None
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        name.encode()
        if len(content) > _MOST_BYTES:
            skipped.append(f"{name}: skipped, over {_MOST_BYTES} bytes")
            return None
        return decode_text(content, name)
    except ToolError:
        skipped.append(f"{name}: skipped, a link to {os.path.realpath(folder / name)}")
    except UnicodeEncodeError:
        skipped.append(f"{name}: skipped, its name is not UTF-8")
    except UndecodableError as error:
        unreadable.append((f"{name}:{error.line}:1", error.reason))
    except OSError as error:
        skipped.append(f"{name}: skipped, {error.strerror or error}")
    return None


def _service_name(folder: Path) -> str:
    """The folder's name as the name of a service, `adopted` where it cannot be one."""
    slug = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return slug if patterns.NAME.pattern.fullmatch(slug) else "adopted"


def _judge_draft(draft: Adoption) -> tuple[Result, ...]:
    if not draft.text:
        return ()
    services = read.read_services({paths.description_path(draft.name): draft.text})
    return run.run(evidence.from_descriptions(select_environments(services)), judge=True)


def parse_destination(repo: Repository, text: str) -> str:
    """The service's name of `--write services/NAME`. Raises InputError for another place, and for one that is taken."""
    match = re.fullmatch(rf"(?:\./)?{paths.SERVICES}/([^/]+)/?", text)
    if not match or not patterns.NAME.pattern.fullmatch(match[1]):
        raise InputError(
            f"--write requires services/NAME, where NAME is {patterns.NAME.expected}; not {text!r}"
        )
    if (repo.root / paths.service_folder(match[1])).exists():
        raise InputError(f"{paths.service_folder(match[1])} already exists; choose another name")
    return match[1]


def write(repo: Repository, adopted: Adopted) -> tuple[model.Outcome, ...]:
    """The draft as services/<name>/service.yaml. Raises InputError without a draft, or where it conflicts with another service."""
    draft = adopted.adoption
    if not draft.text:
        raise InputError(f"no description to write: {draft.missing}")
    path = paths.description_path(draft.name)
    read.read_services({**repo.descriptions, path: draft.text})
    return create_files(repo, {path: draft.text})


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptOptions:
    """`folder`: the project to read. `destination`: services/NAME, where the draft is written; nowhere when empty."""

    folder: str
    destination: str = ""


def adopt_project(options: AdoptOptions) -> Adopted:
    """The project's draft, judged. Raises InputError for a destination that is taken."""
    name = parse_destination(open_repository(only=()), options.destination) if options.destination else ""
    return adopt(Path(options.folder), name=name)


def store_draft(adopted: Adopted, options: AdoptOptions) -> CommandReport:
    """Writes the draft where a destination was named. Raises InputError where there is no draft."""
    written = report_outcomes(write(open_repository(only=()), adopted) if options.destination else ())
    if not adopted.adoption.text:
        raise InputError(f"no description was drafted: {adopted.adoption.missing}")
    return replace(written, exit_code=written.exit_code or (FINDINGS if adopted.has_problems else 0))
