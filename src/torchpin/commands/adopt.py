"""`adopt`: a description drafted from the files of another project, and both judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import FINDINGS, InputError
from torchpin.workspace import evidence, workspace
from torchpin.workspace.writer import write_with_outcomes

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
_MAX_BYTES = 20_000_000  # a large uv.lock has a few million; what is longer is cut


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A draft with the matches of the rules, and the judge's results about it."""

    adoption: Adoption
    results: tuple[Result, ...]
    skipped: tuple[str, ...]  # files that are not UTF-8 text or cannot be read

    @property
    def has_problems(self) -> bool:
        """Whether a rule matches, or the judge has an open finding."""
        return bool(self.adoption.matches or any(result.findings for result in self.results))


def adopt(folder: Path, *, name: str = "") -> Adopted:
    """Reads and judges a project below a folder. Raises InputError for a folder without a file to read."""
    texts, skipped = _read_texts(folder)
    if not texts:
        raise InputError(
            f"no Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock in {folder}"
        )
    draft = draft_adoption(texts, name or _service_name(folder))
    return Adopted(adoption=draft, results=_judge_draft(draft), skipped=skipped)


def _read_texts(folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    texts, skipped = {}, []
    if not folder.is_dir():
        raise InputError(f"not a directory: {folder}")
    for path in sorted(folder.rglob("*")):
        relative_path = path.relative_to(folder)
        if (
            _FILE_NAMES.fullmatch(path.name)
            and not {*relative_path.parts} & _IGNORED_FOLDERS
            and path.is_file()
        ):
            try:
                texts[relative_path.as_posix()] = path.read_bytes()[:_MAX_BYTES].decode()
            except (UnicodeDecodeError, OSError):
                skipped.append(relative_path.as_posix())
    return texts, tuple(skipped)


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
    read.read_services({**workspace.read_descriptions(repo.root), path: draft.text})
    return write_with_outcomes(repo, {path: draft.text})


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptOptions:
    """`folder`: the project to read. `destination`: services/NAME, where the draft is written; nowhere when empty."""

    folder: str
    destination: str = ""


def adopt_project(options: AdoptOptions) -> Adopted:
    """The project's draft, judged. Raises InputError for a destination that is taken."""
    name = parse_destination(open_repository(), options.destination) if options.destination else ""
    return adopt(Path(options.folder), name=name)


def store_draft(adopted: Adopted, options: AdoptOptions) -> CommandReport:
    """Writes the draft where a destination was named. Raises InputError where there is no draft."""
    written = report_outcomes(write(open_repository(), adopted) if options.destination else ())
    if not adopted.adoption.text:
        raise InputError(f"no description was drafted: {adopted.adoption.missing}")
    return replace(written, exit_code=written.exit_code or (FINDINGS if adopted.has_problems else 0))
