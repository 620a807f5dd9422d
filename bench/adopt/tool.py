"""torchpin on a project of the corpus: what it drafts and what it finds, each by one function."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from torchpin.commands.adopt import adopt
from torchpin.commands.check import CheckOptions, check
from torchpin.errors import InputError
from torchpin.output.answers import print_check_report
from torchpin.output.volume import task_output

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS: Final = ("text", "json", "sarif", "github", "markdown")
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
    try:
        adopted = adopt(folder)
    except InputError as error:
        return None, str(error)
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
    """What `check` finds in a project."""
    with _inside(folder):
        try:
            report = check(CheckOptions())
        except InputError:  # there is no file that it reads
            return []
    return [
        Found(
            rule=match.id,
            level=match.finding.level,
            file=match.place[0],
            line=match.place[1],
            message=match.finding.message,
        )
        for match in report.result.matches
    ]


def read_printed(folder: Path) -> str:
    """What `check` prints about a project, in every form."""
    out = io.StringIO()
    with _inside(folder), redirect_stdout(out), redirect_stderr(out):
        report = check(CheckOptions())
        with task_output("check", verbose=True):
            for form in FORMS:
                print_check_report(report, form)
    return out.getvalue()


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """The folder as the current one: `check` names files from there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
