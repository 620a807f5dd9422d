"""Adopting a project of others: its files read, a description drafted, and both judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import evidence, workspace
from torchpin.workspace.write import write_with_outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.checks.registry import Result
    from torchpin.workspace.workspace import Repository

_FILE_NAMES = re.compile(
    r"(Dockerfile|Dockerfile\..+|.+\.Dockerfile|[\w.-]*(requirements|constraints)[\w.-]*\.txt|pyproject\.toml|uv\.lock)"
)
_IGNORED_FOLDERS = {".git", ".venv", "venv", "node_modules", "__pycache__", "third_party", "site-packages"}
_MAX_BYTES = 20_000_000  # bytes: a uv.lock has a few


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A draft, what the traps caught, and what the judge says of the draft."""

    adoption: Adoption
    results: tuple[Result, ...]
    skipped: tuple[str, ...]  # files that are no text

    @property
    def has_problems(self) -> bool:
        """Whether anything is wrong with what is there."""
        return bool(self.adoption.matches or any(result.status == "found" for result in self.results))


def adopt(folder: Path, *, name: str = "") -> Adopted:
    """Reads and judges a project below a folder. Raises InputError where there is nothing to read."""
    texts, skipped = _read_texts(folder)
    if not texts:
        raise InputError(
            f"{folder}: no Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock is there."
        )
    draft = draft_adoption(texts, name or _service_name(folder))
    return Adopted(adoption=draft, results=_judge_draft(draft), skipped=skipped)


def _read_texts(folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    texts, skipped = {}, []
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Give the folder that the project lies in.")
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
    """The folder's name as a service may be called."""
    slug = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return slug if patterns.NAME.pattern.fullmatch(slug) else "adopted"


def _judge_draft(draft: Adoption) -> tuple[Result, ...]:
    if not draft.text:
        return ()
    services = read.read_services({f"services/{draft.name}/service.yaml": draft.text})
    return run.run(evidence.from_descriptions(select_environments(services)), judge=True)


def parse_destination(repo: Repository, text: str) -> str:
    """The service's name of `--write services/NAME`. Raises InputError for another place, and for one that is taken."""
    match = re.fullmatch(r"(?:\./)?services/([^/]+)/?", text)
    if not match or not patterns.NAME.pattern.fullmatch(match[1]):
        raise InputError(f"--write is services/NAME, where NAME is {patterns.NAME.expected}; not {text!r}.")
    if (repo.root / "services" / match[1]).exists():
        raise InputError(f"services/{match[1]} is there already; choose another name.")
    return match[1]


def write(repo: Repository, adopted: Adopted) -> tuple[model.Outcome, ...]:
    """The draft as services/<name>/service.yaml. Raises InputError where there is none, or where it does not fit in."""
    draft = adopted.adoption
    if not draft.text:
        raise InputError(f"There is no description to write: {draft.missing}.")
    path = f"services/{draft.name}/service.yaml"
    read.read_services({**workspace.read_descriptions(repo.root), path: draft.text})
    return write_with_outcomes(repo, {path: draft.text})
