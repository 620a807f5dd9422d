"""Runs the rules over a project: every match, by file and line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from torchpin.checks.registry import registered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Project
    from torchpin.checks.registry import Check
    from torchpin.model import Finding


_MOST_MATCHES = 500  # of one rule: nobody reads more, and printing 100,000 takes minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A place in a project that a rule matches; `id` is the rule's."""

    id: str
    finding: Finding


def registered_rules() -> tuple[Check, ...]:
    """Every rule, by id."""
    from torchpin.adopt import rules  # noqa: F401 - importing them registers them

    return registered("rule")


def find_matches(project: Project) -> tuple[Match, ...]:
    """Every match of every rule in a project, by file and line."""
    matches = [
        Match(id=rule.id, finding=finding)
        for rule in registered_rules()
        for finding in _first_findings(rule, project)
    ]
    return tuple(
        sorted(dict.fromkeys(matches), key=lambda match: (*_location_key(match.finding.location), match.id))
    )


def _first_findings(rule: Check, project: Project) -> Iterator[Finding]:
    for number, finding in enumerate(islice(rule.run(project), _MOST_MATCHES + 1)):
        if number < _MOST_MATCHES:
            yield finding
        else:
            yield replace(finding, message=f"{finding.message}; further matches of this rule are not listed")


def _location_key(location: str) -> tuple[str, int, int]:
    file, _, position = location.partition(":")
    line, _, column = position.partition(":")
    return file, int(line or 0), int(column or 0)
