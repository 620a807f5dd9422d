"""`remove`: a service with all that was made for it, in one transaction."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.description.environments import select_environments
from torchpin.description.patterns import NAME
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError, ToolError, TorchpinError
from torchpin.lock import file_format
from torchpin.model import Outcome
from torchpin.tools import docker
from torchpin.tools.files import read_bytes, read_text
from torchpin.workspace import description_files, generated, workspace
from torchpin.workspace.hand_edits import edited_lines
from torchpin.workspace.writer import exclusive, exclusive_services, recover, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.commands.report import Watcher
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveOptions:
    """`everything`: also files that were edited by hand or are not torchpin's. `dry_run`: list them, write nothing.

    `packages`: only the pins of these, for which `recorded` and `overwrite` are those of a lock. Raises InputError for what
    does not go together.
    """

    service: str
    everything: bool = False
    dry_run: bool = False
    packages: tuple[str, ...] = ()
    recorded: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.everything and self.packages:
            raise InputError("`--everything` is for whole services; packages have no files of their own")
        if (self.recorded or self.overwrite) and not self.packages:
            option = "recorded" if self.recorded else "overwrite"
            raise InputError(f"`--{option}` needs packages: a service that is removed is not locked")


def remove_service(options: RemoveOptions, watcher: Watcher) -> CommandReport:
    """Removes a service from the repository of the current folder; its description may be missing or damaged.

    Raises InputError for a text that is not the name of a service, and what `remove` raises.
    """
    if not NAME.pattern.fullmatch(options.service):
        raise InputError(f"--service must be {NAME.expected}, not {options.service!r}")
    from torchpin.tools import git_checkout  # slow to import

    root = workspace.find_root(Path.cwd())
    message = recover(root)
    if message:
        watcher.notice(message)
    with exclusive_services(root, (options.service,)), exclusive(root):
        folders = (paths.service_folder(options.service), paths.RECORDS)
        uncommitted = (
            git_checkout.uncommitted_paths(root, folders, ignored=True)
            if git_checkout.is_in_repository(root)
            else None
        )
        notices = leftovers(root, options.service)
        report = report_outcomes(remove(root, options, uncommitted))
    for notice in notices:
        watcher.notice(notice)
    return report


def leftovers(root: Path, name: str) -> tuple[str, ...]:
    """What stays of a service when it is removed, a sentence each, with the command that clears it.

    Clones may hold somebody's work, and only the Docker engine knows its images; without a description neither is known.
    """
    try:
        repo = workspace.open_repository(root, only=(name,))
    except TorchpinError:
        return (f"its description cannot be read, so clones and images of {name} are not known; they stay",)
    environments = [env for env in select_environments(repo.services) if env.service.name == name]
    used = {source.path for service in repo.services if service.name != name for source in service.sources}
    folders = {
        **{f".venvs/{env.name}": "its installation" for env in environments},
        **{
            source.path: f"the clone of {source.name}"
            for env in environments
            for source in env.service.sources
            if source.path not in used
        },
    }
    images = sorted({docker.image_repository(env, repo.settings) for env in environments})
    return (
        *(
            f"{description} stays: {folder}; remove it with `rm -rf {shlex.quote(folder)}`"
            for folder, description in folders.items()
            if (root / folder).exists()
        ),
        *(
            f"images of {image} stay where they were built; remove them with `docker image rm $(docker image ls -q {image})`"
            for image in images
        ),
    )


def remove(root: Path, options: RemoveOptions, uncommitted: Sequence[str] | None = ()) -> tuple[Outcome, ...]:
    """Removes description, smoke test, locks, renderings, records and sections, for callers that hold the writers' lock.

    `uncommitted`: paths that the last commit does not have as they are; None outside of git. Raises FindingsError, before
    anything is written, for files that are not only torchpin's, and for lines of documents that were edited by hand, and
    ToolError for a file that is too large to read.
    """
    name = options.service
    repo = workspace.open_repository(root, leaving=name, only=())
    files = _service_files(repo, name)
    documents = (*generated.document_paths(repo), paths.SCHEMA)
    before = {path: repo.text(path) for path in documents} | _readable_texts(root, files)
    if not files and name not in generated.section_names(repo):
        select_environments(repo.services, service=name)  # which names those that exist
    new_pages = {
        path: text
        for path, text in _new_pages(repo, name).items()
        if text != before.get(path) and path not in files
    }
    objections: dict[str, str] = {}
    if not options.everything:
        objections = _objections(repo, name, files, new_pages, uncommitted)
    if options.dry_run:
        return (*_planned(files, objections), *(_outcome(path, "would change") for path in new_pages))
    if objections:
        listed = "\n".join(f"{place}: {objection}" for place, objection in objections.items())
        raise FindingsError(
            f"{listed}\nmove these away, or remove them too with `--everything`; nothing was removed"
        )
    write(repo, {**dict.fromkeys(files), **new_pages}, before=before)
    return (
        *(Outcome(name=path, status="changed", detail="removed") for path in files),
        *(Outcome(name=path, status="changed") for path in new_pages),
    )


def _readable_texts(root: Path, files: Sequence[str]) -> dict[str, str | None]:
    """The texts of those files that have one, so that an edit while the command runs stops it."""
    texts: dict[str, str | None] = {}
    for path in files:
        with suppress(ToolError):  # not UTF-8
            texts[path] = read_text(root / path)
    return texts


def _planned(files: tuple[str, ...], objections: dict[str, str]) -> Iterator[Outcome]:
    for place, objection in objections.items():
        detail = f"{objection}; it goes only with `--everything`"
        yield Outcome(name=place, status="failed", detail=detail, code=FindingsError.exit_code)
    stopped = {place.partition(":")[0] for place in objections}
    for path in files:
        if path not in stopped:
            yield _outcome(path, "would be removed")


def _outcome(path: str, detail: str) -> Outcome:
    return Outcome(name=path, status="planned", detail=detail)


def _new_pages(repo: Repository, name: str) -> dict[str, str | None]:
    """The documents without a service; while another one is not locked, only its own section is taken out."""
    up_to_date = generated.expected_documents(repo, {}, leaving=name) if repo.services else {}
    path, text = paths.DEVIATIONS, repo.text(paths.DEVIATIONS)
    return up_to_date or ({path: markdown.remove_section(path, text, name)} if text is not None else {})


def _service_files(repo: Repository, name: str) -> tuple[str, ...]:
    """A service's page, and every file in its folders and those of its environments.

    Raises InputError for what is not a regular file.
    """
    pages = generated.service_pages(repo)
    names = {name, *description_files.service_names(repo.root), *pages, *generated.section_names(repo)}
    taken = {env.name for env in select_environments(repo.services)} if repo.services else set()
    folders = [paths.service_folder(name)]
    for parent in (paths.LOCKFILES, paths.DOCKER, paths.RECORDS):
        folders += sorted(
            f"{parent}/{folder.name}"
            for folder in (repo.root / parent).glob("*")
            if folder.name not in taken and workspace.service_of_folder(folder.name, names) == name
        )
    page = [pages[name]] if name in pages else []
    return *(path for folder in folders for path in _folder_files(repo.root, folder)), *page


def _folder_files(root: Path, folder: str) -> Iterator[str]:
    if (root / folder).is_symlink():
        raise InputError(f"{folder} is a link; remove it yourself, then run this again; nothing was removed")
    for parent, subfolders, names in os.walk(root / folder, onerror=_stop):
        subfolders.sort()
        for name in sorted([*names, *(name for name in subfolders if Path(parent, name).is_symlink())]):
            path = Path(parent, name)
            relative = path.relative_to(root).as_posix()
            if path.is_symlink() or not path.is_file():
                raise InputError(
                    f"{relative} is not a regular file; remove it yourself, then run this again; nothing was removed"
                )
            yield relative


def _stop(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise ToolError(f"{error.filename} cannot be listed: {error.strerror}; nothing was removed")


def _objections(
    repo: Repository,
    name: str,
    files: tuple[str, ...],
    new_pages: Mapping[str, str | None],
    uncommitted: Sequence[str] | None,
) -> dict[str, str]:
    """Why a file is not only torchpin's, or would be lost, by path; of lines that somebody wrote, by path and line."""
    renderings = _current_renderings(repo.root, name)
    page = paths.page_path(name)
    objections = {
        path: _objection(repo.root, path, renderings.get(path)) or _unsaved(path, uncommitted)
        for path in files
        if path != page
    }
    if page in files and generated.has_prose(repo, name):
        objections[page] = "has text of its own, outside of its generated section"
    objections = {path: objection for path, objection in objections.items() if objection}
    not_rendered = [
        path
        for path in files
        if path == page or path in paths.environment_paths(path.split("/")[1])
        if path not in {*renderings, *objections}
    ]
    lines = edited_lines(repo, {**new_pages, **dict.fromkeys(not_rendered)})
    places = [line.split(":", 2) for line in lines]
    return objections | {f"{path}:{number}": f"was edited by hand:{text}" for path, number, text in places}


def _unsaved(path: str, uncommitted: Sequence[str] | None) -> str:
    """Why nothing else has the text of a file, "" where git has it, or torchpin can make it again."""
    if not (path.startswith(f"{paths.SERVICES}/") or paths.is_record(path)) or "/__pycache__/" in path:
        return ""
    if uncommitted is None:
        return "is in no git repository, so nothing else has it"
    return "is not in the last commit as it is here" if path in uncommitted else ""


def _current_renderings(root: Path, name: str) -> dict[str, str]:
    """What `render` would write for a service; empty where it cannot."""
    try:
        repo = workspace.open_repository(root, only=(name,))
        renderings = [
            generated.environment_files(repo, env, workspace.read_lock(repo, env))
            for env in select_environments(repo.services, service=name)
        ]
    except TorchpinError:
        return {}
    return {path: text for files in renderings for path, text in files.items()}


def _objection(root: Path, path: str, rendering: str | None) -> str:
    parent, folder, file = path.split("/", 2)
    is_of_torchpin = {
        paths.SERVICES: file in {"service.yaml", "smoke.py"} or file.startswith("__pycache__/"),
        paths.RECORDS: path in {paths.freeze_path(folder), paths.build_path(folder), paths.sbom_path(folder)},
        paths.DOCKER: path in paths.rendered_paths(folder),
        paths.LOCKFILES: paths.is_lock_file(file),
    }
    if not is_of_torchpin[parent]:
        return "is not torchpin's"
    is_sbom = path == paths.sbom_path(folder)
    if parent in {paths.SERVICES, paths.RECORDS} and not is_sbom:
        return ""
    text = (read_bytes(root / path, follow=False) or b"").decode(errors="replace")
    if not is_sbom and not any(
        "Made " in line and "; do not edit." in line for line in text.splitlines()[:2]
    ):
        return "is not torchpin's: it has no header of a generated file"
    if parent == paths.DOCKER or is_sbom:
        return "" if rendering in {None, text} else "is not what `invoke render` writes"
    try:
        file_format.parse_lock(paths.lock_folder(folder), {file: text})
    except InputError as error:
        return "; ".join(problem.message for problem in error.problems)
    return ""
