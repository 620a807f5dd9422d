"""What rules answer with: matches, and the edits of a file that end them."""

from __future__ import annotations

from dataclasses import dataclass

from torchpin.model import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """An edit of a file: `before`, which begins at a line and column, becomes `after`; both lie within one line.

    Lines and columns count from 1, columns in characters. An edit whose `before` does not stand there changes nothing.
    """

    file: str
    line: int
    column: int
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FixableFinding(Finding):
    """A finding whose `edits` end it; `fix_is_safe` says whether they follow from the files and facts alone."""

    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A place in a project that a rule matches; `id` is the rule's."""

    id: str
    finding: Finding

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.finding.edits if isinstance(self.finding, FixableFinding) else ()

    @property
    def place(self) -> tuple[str, int, int]:
        """The file, the line and the column; 0 for a number that the location does not have."""
        return parse_place(self.finding.location)


def parse_place(location: str) -> tuple[str, int, int]:
    """The parts of `file:line:column`, where the file may have colons; 0 for a missing number."""
    head, _, last = location.rpartition(":")
    if not (head and last.isdecimal()):
        return location, 0, 0
    file, _, line = head.rpartition(":")
    return (file, int(line), int(last)) if file and line.isdecimal() else (head, int(last), 0)
