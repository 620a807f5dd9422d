"""Runs the rules over a project: every match, by file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.adopt.registry import TRAPS, Trap

if TYPE_CHECKING:
    from torchpin.adopt.installs import Project
    from torchpin.model import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Caught:
    id: str
    finding: Finding


def known() -> dict[str, Trap]:
    """Every registered trap, by id."""
    from torchpin.adopt import rules  # noqa: F401 - registers them

    return dict(sorted(TRAPS.items()))


def caught(project: Project) -> tuple[Caught, ...]:
    """Every trap of a project, by file and line."""
    found = [Caught(id=id_, finding=one) for id_, each in known().items() for one in each.find(project)]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (*_place(one.finding.where), one.id)))


def _place(where: str) -> tuple[str, int, int]:
    file, _, rest = where.partition(":")
    line, _, column = rest.partition(":")
    return file, int(line or 0), int(column or 0)
