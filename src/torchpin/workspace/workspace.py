"""The repository on disk: find it, open it, and read its locks and records."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.description.policy import parse_policy
from torchpin.description.settings import parse_settings
from torchpin.description.yaml_reader import MOST_CHARACTERS
from torchpin.errors import InputError, ToolError
from torchpin.lock import file_format, sealing
from torchpin.lock.layers import outdated_files
from torchpin.model import Position, Problem
from torchpin.parsing import parse_json
from torchpin.tools.files import expect_inside, read_bytes, read_inside
from torchpin.workspace import description_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torchpin.description.policy import Policy
    from torchpin.model import Environment, Lock, PublishedHashes, Service, Settings


_MOST_SETTINGS = 1_000_000  # bytes of a torchpin.toml, of which each mirror takes a hundred


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A checkout, or the lab's scratch copy of one."""

    root: Path
    services: tuple[Service, ...]
    settings: Settings
    prefix: str = "torchpin"  # of image names; the lab has another
    # the lab's stub wheels: by channel, package and file name the SHA-256
    published: PublishedHashes | None = None
    # the texts that `services` were read from, by path: what is written later rests on them
    descriptions: Mapping[str, str] = field(default_factory=dict)
    # texts by path that are not written yet, but read as if they were
    staged: Mapping[str, str | None] = field(default_factory=dict)
    # what was read from files, by path, for a writer to compare; `replace(repo)` has read nothing yet
    inputs: dict[str, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def text(self, path: str) -> str | None:
        """A file's text, None if it does not exist.

        Raises ToolError for a file that is not UTF-8 text, and for a link out of the repository.
        """
        if path in self.staged:
            return self.staged[path]
        text = read_inside(self.root, path)
        self._note_input(path, text)
        return text

    @property
    def policy(self) -> Policy:
        """What holds for all its services. Raises InputError with every problem of services/policy.yaml."""
        return parse_policy(self.text(paths.POLICY))

    def _note_input(self, path: str, text: str | None) -> None:
        if paths.is_document(path):
            self.inputs[path] = text  # the last one: what is written into a document rests on that
        elif not path.startswith(f"{paths.WORK}/"):
            self.inputs.setdefault(path, text)

    def lock_file(self, path: str) -> str:
        """The text of a file in a folder of locks; bytes that are not UTF-8 are U+FFFD. Raises ToolError as `text` does."""
        content = read_bytes(expect_inside(self.root, path), follow=False) or b""
        text = content.decode(errors="replace")
        if "\ufffd" not in text:  # else it cannot be compared with the file
            self._note_input(path, text)
        return text


def find_root(start: Path) -> Path:
    """The root of the repository that a folder is in: the nearest one whose services/ has a description.

    Where none has one, the nearest one with services/. Raises InputError when there is none either.
    """
    described = find_described_root(start)
    if described:
        return described
    for folder in (start, *start.parents):
        if (folder / paths.SERVICES).is_dir():
            return folder
    raise InputError(
        f"{start} is not in a torchpin repository: neither it nor a folder above it has services/; "
        "`invoke init` makes a folder one"
    )


def find_described_root(start: Path) -> Path | None:
    """The nearest folder, from this one upwards, whose services/ has a description; None where none has."""
    for folder in (start, *start.parents):
        if any((folder / paths.SERVICES).glob("*/service.yaml")):
            return folder
    return None


def open_repository(root: Path, *, prefix: str = "torchpin", leaving: str = "") -> Repository:
    """Read a repository, without the service `leaving`. Raises InputError with all problems of descriptions or settings."""
    descriptions = read_descriptions(root, leaving=leaving)
    services = read.read_services(descriptions)
    machine_settings = parse_settings(_read_settings(root), os.environ, services)
    return Repository(
        root=root, services=services, settings=machine_settings, prefix=prefix, descriptions=descriptions
    )


def _read_settings(root: Path) -> str | None:
    """The text of torchpin.toml, None without one. Raises InputError for one that is not UTF-8."""
    content = read_bytes(root / paths.SETTINGS, most_bytes=_MOST_SETTINGS)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        problem = _encoding_problem(paths.SETTINGS, content or b"", error)
        raise InputError("correct this first; nothing was written", [problem]) from None


def _encoding_problem(path: str, content: bytes, error: UnicodeDecodeError) -> Problem:
    position = Position(file=path, line=content[: error.start].count(b"\n") + 1, column=1)
    message = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
    return Problem(position=position, path="", message=message)


def reread(repo: Repository) -> Repository:
    """A repository with its descriptions as they are now. Raises InputError with all problems of them."""
    descriptions = read_descriptions(repo.root)
    return replace(repo, services=read.read_services(descriptions), descriptions=descriptions)


def read_descriptions(root: Path, *, leaving: str = "") -> dict[str, str]:
    """Every services/<name>/service.yaml, path to text. Raises InputError with all folders that have none to read."""
    texts, problems = {}, []
    for name in description_files.service_names(root):
        if name == leaving:
            continue
        path = paths.description_path(name)
        problem = description_files.find_problem(root, name)
        if problem:
            problems.append(problem)
            continue
        expect_inside(root, path)
        try:
            content = read_bytes(root / path, most_bytes=MOST_CHARACTERS) or b""
        except ToolError as error:
            position = Position(file=path, line=0, column=0)
            problems.append(
                Problem(position=position, path="", message=str(error).removeprefix(f"{root / path} "))
            )
            continue
        try:
            texts[path] = content.decode()
        except UnicodeDecodeError as error:
            problems.append(_encoding_problem(path, content, error))
    if problems:
        raise InputError(
            "correct these first, since no service is passed over; nothing was written", problems
        )
    return texts


def read_lock_files(repo: Repository, env: Environment) -> dict[str, str]:
    """The files of an environment's lock, name to text; empty if it is not locked. A file without their header is none."""
    folder = repo.root / paths.lock_folder(env.name)
    names = sorted(path.name for path in folder.glob("*") if paths.is_lock_file(path.name))
    texts = {name: repo.lock_file(paths.lock_path(env.name, name)) for name in names}
    return {name: text for name, text in texts.items() if sealing.has_header(text)}


def read_lock(repo: Repository, env: Environment) -> Lock:
    """An environment's committed lock. Raises InputError when it is missing, edited by hand, or out of date."""
    files = read_lock_files(repo, env)
    if not files:
        raise InputError(f"{env.name} is not locked; run `invoke lock --service {env.service.name}`")
    parsed_lock = file_format.parse_lock(paths.lock_folder(env.name), files)
    stale_files = dict.fromkeys(file for file, _, _ in outdated_files(env, parsed_lock))
    if stale_files:
        raise InputError(
            f"{paths.lock_folder(env.name)} no longer matches its description ({', '.join(stale_files)}); "
            f"run `invoke lock --service {env.service.name}`"
        )
    return parsed_lock


def orphaned_folders(repo: Repository) -> tuple[str, ...]:
    """Folders of locks, rendered files and records of an environment that is not in any description."""
    environment_names = {env.name for env in select_environments(repo.services)} if repo.services else set()
    orphaned = []
    for parent in (paths.LOCKFILES, paths.DOCKER, paths.RECORDS):
        folders = sorted((repo.root / parent).glob("*/"))
        orphaned += [
            f"{parent}/{folder.name}"
            for folder in folders
            # docker/runtime may have scripts of images; git tracks no empty folders
            if f"{parent}/{folder.name}" not in {paths.RUNTIME, paths.BUMPS}
            if folder.name not in environment_names and any(folder.glob("*"))
        ]
    return tuple(orphaned)


def service_of_folder(folder: str, names: Iterable[str]) -> str:
    """The service that a folder such as `lockfiles/a-b-gpu` belongs to, of several the longest name; "" if none."""
    environment = folder.rsplit("/", 1)[-1]
    return max((name for name in names if environment.startswith(f"{name}-")), key=len, default="")


def read_build_record(repo: Repository, env: Environment) -> dict[str, Any]:
    """An environment's build record; empty if it is missing or damaged."""
    text = repo.text(paths.build_path(env.name))
    try:
        record = parse_json(text or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
