"""`adopt`: a description drafted from the files of another project, and both judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.commands.project_files import read_folder
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import FINDINGS, InputError
from torchpin.workspace import evidence
from torchpin.workspace.writer import create_files

if TYPE_CHECKING:
    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.checks.registry import Result
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


def adopt(folder: Path, *, name: str = "") -> Adopted:
    """Reads and judges a project below a folder. Raises InputError for a folder without a file to read."""
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
    draft = draft_adoption(files.texts, name or _service_name(folder), files.unreadable)
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
