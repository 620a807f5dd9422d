"""`adopt`: a description drafted from the files of another project, and both judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.commands.edited_pins import EditOptions
from torchpin.commands.new_service import require_new_name, write_service
from torchpin.commands.project_files import read_folder
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_repository, open_workspace
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import FINDINGS, FindingsError, InputError
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.checks.registry import Result
    from torchpin.commands.report import Watcher
    from torchpin.workspace.workspace import Repository

_MOST_REASONS = 20  # why nothing could be read, in a message


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


def adopt(folder: Path, *, name: str = "", resolved_later: bool = False) -> Adopted:
    """Reads and judges a project below a folder. Raises InputError for a folder without a file to read.

    `resolved_later`: its packages without a version get one after the draft is written.
    """
    files = read_folder(folder)
    if not files.texts:
        reasons = [*files.skipped, *(f"{location}: {reason}" for location, reason in files.unreadable)]
        raise InputError(
            "\n".join(
                [
                    *reasons[:_MOST_REASONS],
                    f"no Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock in {folder}",
                ]
            )
        )
    draft = draft_adoption(
        files.texts, name or _service_name(folder), files.unreadable, resolved_later=resolved_later
    )
    return Adopted(adoption=draft, results=_judge_draft(draft), skipped=tuple(files.skipped))


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
    require_new_name(repo, match[1])
    return match[1]


def write(repo: Repository, adopted: Adopted) -> tuple[model.Outcome, ...]:
    """The draft and a smoke test, as `new` writes them.

    Raises InputError without a draft, or where it conflicts with another service.
    """
    draft = adopted.adoption
    if not draft.text:
        raise InputError(f"no description to write: {draft.missing}")
    return write_service(repo, draft.name, draft.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptOptions:
    """`folder`: the project to read. `destination`: services/NAME, where the draft is written; nowhere when empty.

    `resolve`: packages without a version get the newest that fits, and the service is locked; `recorded` as in `lock`.
    """

    folder: str
    destination: str = ""
    resolve: bool = False
    recorded: bool = False


def adopt_project(options: AdoptOptions) -> Adopted:
    """The project's draft, judged. Raises InputError for a destination that is taken, and to resolve without one."""
    if options.resolve and not options.destination:
        raise InputError("--resolve requires --write services/NAME, where the versions are written")
    name = parse_destination(open_repository(only=()), options.destination) if options.destination else ""
    return adopt(Path(options.folder), name=name, resolved_later=options.resolve)


def store_draft(adopted: Adopted, options: AdoptOptions) -> CommandReport:
    """Writes the draft where a destination was named. Raises InputError where there is no draft."""
    written = report_outcomes(write(open_repository(only=()), adopted) if options.destination else ())
    if not adopted.adoption.text:
        raise InputError(f"no description was drafted: {adopted.adoption.missing}")
    return replace(written, exit_code=written.exit_code or (FINDINGS if adopted.has_problems else 0))


def resolve_draft(adopted: Adopted, options: AdoptOptions, watcher: Watcher) -> CommandReport:
    """Gives the written draft's packages without a version the newest that fits, and locks it.

    Raises FindingsError where there is none; the draft stays as it was written, and the message says so.
    """
    from torchpin.commands.add import AddOptions, add_packages
    from torchpin.commands.lock_or_check import LockOptions, lock_workspace

    adoption = adopted.adoption
    if not adoption.unpinned:
        workspace = open_workspace(Selection(service=adoption.name), watcher)
        return lock_workspace(workspace, LockOptions(recorded=options.recorded), watcher)
    edit = EditOptions(recorded=options.recorded)
    try:
        edited = add_packages(
            AddOptions(service=adoption.name, packages=adoption.unpinned, edit=edit), watcher
        )
    except FindingsError as error:
        raise FindingsError(
            f"{error}\n{paths.description_path(adoption.name)} is written without {', '.join(adoption.unpinned)}; "
            f"`torchpin add {adoption.name} PACKAGE` adds what can be resolved"
        ) from None
    return replace(report_outcomes(edited.outcomes), summary="\n".join(edited.messages))
