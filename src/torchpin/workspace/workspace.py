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
from torchpin.errors import InputError, NoServiceError
from torchpin.lock import file_format, sealing
from torchpin.lock.layers import outdated_files
from torchpin.model import Settings
from torchpin.parsing import parse_json
from torchpin.tools.files import expect_inside, read_bytes, read_inside
from torchpin.workspace import description_files, kept_descriptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from torchpin.description.policy import Policy
    from torchpin.model import Environment, Lock, Problem, PublishedHashes, Service


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
    # a lab of large packages: what they load of torch's libraries and of the system is left out, so a lack of it is no error
    lacks_libraries: bool = False
    # the texts that `services` were read from, by path: what is written later rests on them
    descriptions: Mapping[str, str] = field(default_factory=dict)
    # the problems of services whose descriptions cannot be read, by name: they are not among `services`
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    # the services that have to be readable; None: all
    only: Collection[str] | None = None
    # texts by path that are not written yet, but read as if they were
    staged: Mapping[str, str | None] = field(default_factory=dict)
    # whether it is noted what is read; a command that writes nothing needs none of it, and it can be hundreds of megabytes
    notes: bool = True
    # what was read from files, by path, for a writer to compare; `replace(repo)` has read nothing yet
    inputs: dict[str, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def text(self, path: str) -> str | None:
        """A file's text, None if it does not exist.

        Raises ToolError for a file that is not UTF-8 text, and for a link out of the repository.
        """
        if path in self.staged:
            return self.staged[path]
        text = read_inside(self.root, path)
        self.note_input(path, text)
        return text

    @property
    def policy(self) -> Policy:
        """What holds for all its services. Raises InputError with every problem of services/policy.yaml."""
        return parse_policy(self.text(paths.POLICY))

    @property
    def stub_note(self) -> str:
        """What stands behind the action on a source in a lab, where the sources are stubs."""
        return "" if self.published is None else " (stub)"

    def note_input(self, path: str, text: str | None) -> None:
        """Notes a text for a writer."""
        if not self.notes:
            return
        if paths.is_document(path):
            self.inputs[path] = text  # the last one: what is written into a document rests on that
        elif not path.startswith(f"{paths.WORK}/"):
            self.inputs.setdefault(path, text)

    def lock_file(self, path: str) -> str:
        """The text of a file in a folder of locks; bytes that are not UTF-8 are U+FFFD. Raises ToolError as `text` does."""
        content = read_bytes(expect_inside(self.root, path), follow=False) or b""
        text = content.decode(errors="replace")
        if "\ufffd" not in text:  # else it cannot be compared with the file
            self.note_input(path, text)
        return text


def find_root(start: Path) -> Path:
    """The root of the repository that a folder is in: the nearest one whose services/ has a description.

    Where none has one, the nearest one with services/. Raises NoServiceError when there is none either.
    """
    described = find_described_root(start)
    if described:
        return described
    for folder in (start, *start.parents):
        if (folder / paths.SERVICES).is_dir():
            return folder
    raise NoServiceError(
        f"{start} is not in a torchpin repository: neither it nor a folder above it has services/; "
        "`invoke init` makes a folder one"
    )


def find_described_root(start: Path) -> Path | None:
    """The nearest folder, from this one upwards, whose services/ has a description; None where none has."""
    for folder in (start, *start.parents):
        if any((folder / paths.SERVICES).glob("*/service.yaml")):
            return folder
    return None


def open_repository(
    root: Path, *, prefix: str = "torchpin", leaving: str = "", only: Collection[str] | None = None
) -> Repository:
    """Read a repository, without the service `leaving`.

    Raises InputError with all problems of settings, and of descriptions; with `only`, of the descriptions of these services:
    others that cannot be read are `broken`.
    """
    repo = Repository(root=root, services=(), settings=Settings(), prefix=prefix, only=only)
    described = _read_services(repo, leaving=leaving)
    complete = not described.broken
    settings = parse_settings(_read_settings(root), os.environ, described.services, complete=complete)
    return replace(described, settings=settings)


def _read_services(repo: Repository, *, leaving: str = "") -> Repository:
    """A repository with its descriptions as they are now. Raises InputError for those that have to be read."""
    texts, unreadable = description_files.read_texts(repo.root, leaving=leaving, only=repo.only)
    services, invalid = kept_descriptions.read_services(repo.root, texts)
    for problems, error in ((unreadable, _unreadable_error), (invalid, read.description_error)):
        stopping = [
            problem
            for path, file_problems in problems.items()
            if repo.only is None or _service_of(path) in repo.only
            for problem in file_problems
        ]
        if stopping:
            raise error(stopping)
    broken = {_service_of(path): problems for path, problems in {**unreadable, **invalid}.items()}
    descriptions = {path: text for path, text in texts.items() if path not in invalid}
    return replace(repo, services=services, descriptions=descriptions, broken=broken)


def _service_of(path: str) -> str:
    return path.split("/")[1]


def _unreadable_error(problems: Sequence[Problem]) -> InputError:
    return InputError("correct these first, since no service is passed over; nothing was written", problems)


def _read_settings(root: Path) -> str | None:
    """The text of torchpin.toml, None without one. Raises InputError for one that is not UTF-8."""
    content = read_bytes(root / paths.SETTINGS, most_bytes=_MOST_SETTINGS)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        problem = description_files.encoding_problem(paths.SETTINGS, content or b"", error)
        raise InputError("correct this first; nothing was written", [problem]) from None


def reread(repo: Repository) -> Repository:
    """A repository with its descriptions as they are now. Raises InputError as `open_repository` does."""
    return _read_services(repo)


def read_descriptions(root: Path) -> dict[str, str]:
    """Every services/<name>/service.yaml, path to text. Raises InputError with all folders that have none to read."""
    texts, problems = description_files.read_texts(root)
    if problems:
        raise _unreadable_error([problem for (problem,) in problems.values()])
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
            if folder.name not in environment_names
            and description_files.is_environment_folder(repo.root, parent, folder.name)
            if not service_of_folder(folder.name, repo.broken)
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
