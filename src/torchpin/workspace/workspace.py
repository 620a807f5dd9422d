"""The monorepo on disk: its places, and what is read from them. Only actions write."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.description.settings import FILE, parse_settings
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.lock.layers import outdated_files
from torchpin.model import Position, Problem
from torchpin.paths import build_path, lock_folder
from torchpin.tools.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.model import Environment, Lock, Service, Settings


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A checkout (or the lab's scratch copy of one): its folder, its services, this machine's settings.

    The lab has its own prefix of images, and hashes that its index published (by channel, package and file).
    `staged`: texts by path that are not written yet, and count as if they were.
    """

    root: Path
    services: tuple[Service, ...]
    settings: Settings
    prefix: str = "torchpin"
    published: Mapping[str, Mapping[str, Mapping[str, str | None]]] | None = None
    staged: Mapping[str, str | None] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        if path in self.staged:
            return self.staged[path]
        return read_text(self.root / path)


def find_root(start: Path) -> Path:
    """The repository that a folder belongs to: the nearest one upwards with services/ and docker/Dockerfile.j2."""
    for folder in (start, *start.parents):
        if (folder / "services").is_dir() and (folder / "docker" / "Dockerfile.j2").is_file():
            return folder
    raise InputError(
        f"{start} is in no torchpin repository: no folder above it has services/ and docker/Dockerfile.j2."
    )


def open_repository(root: Path, *, prefix: str = "torchpin") -> Repository:
    """A repository, read. Raises InputError with every problem of every description and of the settings."""
    services = read.read_services(read_descriptions(root))
    machine_settings = parse_settings(read_text(root / FILE), os.environ, services)
    return Repository(root=root, services=services, settings=machine_settings, prefix=prefix)


def read_descriptions(root: Path) -> dict[str, str]:
    """Every services/<name>/service.yaml, path to text."""
    texts, problems = {}, []
    for path in sorted((root / "services").glob("*/service.yaml")):
        name = path.relative_to(root).as_posix()
        try:
            texts[name] = path.read_bytes().decode()
        except UnicodeDecodeError as error:
            position = Position(file=name, line=path.read_bytes()[: error.start].count(b"\n") + 1, column=1)
            problems.append(Problem(position=position, path="", message=f"not UTF-8 at byte {error.start}"))
    if problems:
        raise InputError("Save them as UTF-8; nothing was written.", problems)
    return texts


def read_lock_files(repo: Repository, env: Environment) -> dict[str, str]:
    folder = repo.root / lock_folder(env)
    return {path.name: path.read_bytes().decode(errors="replace") for path in sorted(folder.glob("*.txt"))}


def read_lock(repo: Repository, env: Environment) -> Lock:
    """An environment's committed lock. Raises InputError when there is none, it was edited, or it is stale."""
    files = read_lock_files(repo, env)
    if not files:
        raise InputError(f"{env.name} is not locked. Run `invoke lock --service {env.service.name}`.")
    parsed_lock = file_format.parse_lock(lock_folder(env), files)
    stale_files = dict.fromkeys(file for file, _, _ in outdated_files(env, parsed_lock))
    if stale_files:
        raise InputError(
            f"{lock_folder(env)} answers another description ({', '.join(stale_files)}). "
            f"Run `invoke lock --service {env.service.name}`."
        )
    return parsed_lock


def orphaned_folders(repo: Repository) -> tuple[str, ...]:
    """Folders of locks, renderings and records whose environment no description has (any more)."""
    environment_names = {env.name for env in select_environments(repo.services)} if repo.services else set()
    orphaned = []
    for parent in ("lockfiles", "docker", "records"):
        folders = sorted((repo.root / parent).glob("*/"))
        orphaned += [
            f"{parent}/{folder.name}"
            for folder in folders
            if folder.name not in environment_names | {"runtime"} and any(folder.glob("*"))
        ]
    return tuple(orphaned)


def read_build_record(repo: Repository, env: Environment) -> dict[str, Any]:
    text = repo.text(build_path(env))
    try:
        record: dict[str, Any] = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return record
