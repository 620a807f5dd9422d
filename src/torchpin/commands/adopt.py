"""Adopting a project of others: its files read, a description drafted, and both judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.adopt import draft
from torchpin.checks import run
from torchpin.description import environments, patterns, read
from torchpin.errors import InputError
from torchpin.workspace import evidence, workspace
from torchpin.workspace.write import written

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.checks.registry import Result
    from torchpin.workspace.workspace import Repository

_NAMES = re.compile(
    r"(Dockerfile|Dockerfile\..+|.+\.Dockerfile|[\w.-]*(requirements|constraints)[\w.-]*\.txt|pyproject\.toml|uv\.lock)"
)
_ASIDE = {".git", ".venv", "venv", "node_modules", "__pycache__", "third_party", "site-packages"}
_LARGEST = 20_000_000  # bytes: a uv.lock has a few


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A draft, what the traps caught, and what the judge says of the draft."""

    adoption: Adoption
    results: tuple[Result, ...]
    skipped: tuple[str, ...]  # files that are no text

    @property
    def open(self) -> bool:
        """Whether anything is wrong with what is there."""
        return bool(self.adoption.caught or any(one.status == "found" for one in self.results))


def adopt(folder: Path, *, name: str = "") -> Adopted:
    """Reads and judges a project below a folder. Raises InputError where there is nothing to read."""
    texts, skipped = _texts(folder)
    if not texts:
        raise InputError(
            f"{folder}: no Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock is there."
        )
    made = draft.adoption(texts, name or _name(folder))
    return Adopted(adoption=made, results=_judged(made), skipped=skipped)


def _texts(folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    texts, skipped = {}, []
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Give the folder that the project lies in.")
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if _NAMES.fullmatch(path.name) and not {*inner.parts} & _ASIDE and path.is_file():
            try:
                texts[inner.as_posix()] = path.read_bytes()[:_LARGEST].decode()
            except (UnicodeDecodeError, OSError):
                skipped.append(inner.as_posix())
    return texts, tuple(skipped)


def _name(folder: Path) -> str:
    """The folder's name as a service may be called."""
    words = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return words if patterns.NAME.pattern.fullmatch(words) else "adopted"


def _judged(made: Adoption) -> tuple[Result, ...]:
    if not made.text:
        return ()
    services = read.services({f"services/{made.name}/service.yaml": made.text})
    return run.run(evidence.bare(environments.environments(services)), judge=True)


def target(repo: Repository, text: str) -> str:
    """The service's name of `--write services/NAME`. Raises InputError for another place, and for one that is taken."""
    found = re.fullmatch(r"(?:\./)?services/([^/]+)/?", text)
    if not found or not patterns.NAME.pattern.fullmatch(found[1]):
        raise InputError(f"--write is services/NAME, where NAME is {patterns.NAME.expected}; not {text!r}.")
    if (repo.root / "services" / found[1]).exists():
        raise InputError(f"services/{found[1]} is there already; choose another name.")
    return found[1]


def write(repo: Repository, adopted: Adopted) -> tuple[model.Outcome, ...]:
    """The draft as services/<name>/service.yaml. Raises InputError where there is none, or where it does not fit in."""
    made = adopted.adoption
    if not made.text:
        raise InputError(f"There is no description to write: {made.missing}.")
    path = f"services/{made.name}/service.yaml"
    read.services({**workspace.descriptions(repo.root), path: made.text})
    return written(repo, {path: made.text})
