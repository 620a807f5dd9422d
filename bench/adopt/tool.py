"""torchpin on a project of the corpus: what it drafts and what it finds, each by one function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import yaml

from torchpin.commands.adopt import Adopted, adopt
from torchpin.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN = "?"  # what a draft says it could not tell


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a draft says; `torch` and `python` as written, "?" or "" for what it could not tell; `text`: all of it."""

    base: str
    torch: str
    channels: frozenset[str]
    python: str
    platforms: frozenset[str]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A finding of a tool: its rule, level (error, warning or notice) and place; `line` 0 for none."""

    rule: str
    level: str
    file: str
    line: int
    message: str


def read_draft(folder: Path) -> tuple[Draft | None, str]:
    """The draft of a project, or None and why there is none."""
    adopted = _adopted(folder)
    if isinstance(adopted, str):
        return None, adopted
    if not adopted.adoption.text:
        return None, adopted.adoption.missing
    text = adopted.adoption.text
    description = yaml.safe_load(text)
    variants = description["variants"].values()
    draft = Draft(
        base=str(description["base"]["image"]),
        torch=str(description["torch"]["version"]),
        channels=frozenset(variant["channel"] for variant in variants),
        python=str(description["python"]),
        platforms=frozenset(variant["platform"] for variant in variants),
        text=text,
    )
    return draft, ""


def read_findings(folder: Path) -> list[Found]:
    """What the rules and the judge find in a project."""
    adopted = _adopted(folder)
    if isinstance(adopted, str):
        return []
    rows = [(match.id, match.finding) for match in adopted.adoption.matches]
    rows += [(result.check, finding) for result in adopted.results for finding in result.findings]
    return [
        Found(
            rule=rule,
            level=finding.level,
            file=_split_place(finding.location)[0],
            line=_split_place(finding.location)[1],
            message=finding.message,
        )
        for rule, finding in rows
    ]


@lru_cache(maxsize=1)
def _adopted(folder: Path) -> Adopted | str:
    """The project as `adopt` reads it, or why it cannot."""
    try:
        return adopt(folder)
    except InputError as error:
        return str(error)


def _split_place(location: str) -> tuple[str, int]:
    """The file and the line of `file:line:column`, 0 for a missing line."""
    file, _, line = location.rsplit(":", 1)[0].rpartition(":")
    return (file, int(line)) if file and line.isdecimal() else (location, 0)
