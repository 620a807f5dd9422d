"""Runs the rules over a project: every match, by file and line."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from torchpin.checks.registry import registered
from torchpin.lint import directives
from torchpin.lint.matches import Match

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from torchpin.checks.registry import Check
    from torchpin.installs.commands import Project
    from torchpin.model import Finding


_MOST_MATCHES = 500  # of one rule: nobody reads more, and printing 100,000 takes minutes


def registered_rules() -> tuple[Check, ...]:
    """Every rule, by id."""
    from torchpin.lint import (
        descriptions,  # noqa: F401
        rules,  # noqa: F401 - importing them registers them
    )

    return registered("rule")


def rule_ids() -> frozenset[str]:
    """The ids of all rules."""
    others = {directives.INVALID, directives.UNUSED, directives.INVALID_DESCRIPTION}
    return frozenset(rule.id for rule in _project_rules()) | others


def find_matches(
    project: Project, ids: Collection[str] | None = None, *, most: int = _MOST_MATCHES
) -> tuple[Match, ...]:
    """Every match of every rule in a project, or of those with these ids, by file and line.

    Of more than `most` matches of a rule the last one says so.
    """
    matches = [
        Match(id=rule.id, finding=finding)
        for rule in _project_rules()
        if ids is None or rule.id in ids
        for finding in _first_findings(rule, project, most)
    ]
    return tuple(sorted(dict.fromkeys(matches), key=lambda match: (match.place, match.id)))


def _project_rules() -> tuple[Check, ...]:
    """The rules that look at a project; the others are about comments, and about descriptions."""
    from torchpin.lint import rules  # noqa: F401 - importing them registers them

    others = {directives.INVALID, directives.UNUSED, directives.INVALID_DESCRIPTION}
    return tuple(rule for rule in registered("rule") if rule.id not in others)


def _first_findings(rule: Check, project: Project, most: int) -> Iterator[Finding]:
    for number, finding in enumerate(islice(rule.run(project), most + 1)):
        if number < most:
            yield finding
        else:
            yield replace(finding, message=f"{finding.message}; further matches of this rule are not listed")
