"""Runs the rules over a project: every match, by file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.adopt.registry import RULES, Rule

if TYPE_CHECKING:
    from torchpin.adopt.installs import Project
    from torchpin.model import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    id: str
    finding: Finding


def registered_rules() -> dict[str, Rule]:
    """Every registered trap, by id."""
    from torchpin.adopt import rules  # noqa: F401 - registers them

    return dict(sorted(RULES.items()))


def find_matches(project: Project) -> tuple[Match, ...]:
    """Every trap of a project, by file and line."""
    matches = [
        Match(id=id_, finding=finding)
        for id_, rule in registered_rules().items()
        for finding in rule.find(project)
    ]
    return tuple(
        sorted(dict.fromkeys(matches), key=lambda match: (*_location_key(match.finding.location), match.id))
    )


def _location_key(location: str) -> tuple[str, int, int]:
    file, _, position = location.partition(":")
    line, _, column = position.partition(":")
    return file, int(line or 0), int(column or 0)
