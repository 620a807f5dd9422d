"""Places in a Dockerfile that stands in a compose file, with their columns in that file; their lines are those of it already."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.lint.matches import FixableFinding

if TYPE_CHECKING:
    from torchpin.lint.matches import Match
    from torchpin.project.image_builds import InlineBuild


def file_columns(text: str, build: InlineBuild) -> str:
    """A text in which the places of a Dockerfile, `compose.yaml:7:1`, have the columns of the compose file."""

    def moved(place: re.Match[str]) -> str:
        line, column = int(place[1]), int(place[2])
        return f"{build.path}:{line}:{_column(build, line, column)}"

    return re.sub(rf"(?<![\w./-]){re.escape(build.path)}:(\d{{1,9}}):(\d{{1,5}})(?!\d)", moved, text)


def _column(build: InlineBuild, line: int, column: int) -> int:
    return build.dockerfile.column(line, column) if build.dockerfile.has_line(line) else column


def with_file_columns(match: Match, build: InlineBuild) -> Match:
    """A match whose location, texts and edits have the columns of the compose file."""
    finding = match.finding
    finding = replace(
        finding,
        location=file_columns(finding.location, build),
        message=file_columns(finding.message, build),
        help=file_columns(finding.help, build),
        evidence=file_columns(finding.evidence, build),
    )
    if isinstance(finding, FixableFinding):
        edits = tuple(
            replace(edit, column=_column(build, edit.line, edit.column)) if edit.file == build.path else edit
            for edit in finding.edits
        )
        finding = replace(finding, edits=edits)
    return replace(match, finding=finding)
