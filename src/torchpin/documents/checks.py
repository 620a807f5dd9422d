"""docs/CHECKS.md: every check and rule, from its docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.adopt.registry import Rule
    from torchpin.checks.registry import Check


CHECKS_OPENING = """\
# Checks

This page lists every check that `invoke verify` and `nox -s verify` run; those that need nothing are the judge's, which `invoke judge` runs alone.
A check whose needs are not met is skipped, visibly and counted.
A check of the judge is ok only from evidence; where a fact is missing it is unknown, and where there is nothing to judge it is moot.
`invoke judge --json` prints one document: `version`, `today`, `notices`, `services` (each with its verdict: ok, warned, refused or unknown) and `results` (check, environment, status, findings, accepted, unknown, grounds).
Write outside the generated sections as you like.
"""


RULES_OPENING = "What `invoke adopt` finds in Dockerfiles and requirement files that others wrote."


def check_sections(registered: Iterable[Check], rules: Mapping[str, Rule]) -> dict[str, str]:
    """The sections of docs/CHECKS.md: every check in a table, then each with its meaning; and the traps."""
    rows = list(registered)
    cells = [
        (code(check.id), prose(check.title), prose(", ".join(check.needs)) or NOTHING, prose(check.help))
        for check in rows
    ]
    explanations = [_rule_page(check.id, check) for check in rows]
    body = paragraphs(table(("Check", "Title", "Needs", "Remedy"), cells), *explanations)
    rule_sections = paragraphs(*(_rule_page(id_, rule) for id_, rule in rules.items()))
    return {
        "checks": wrap_section("checks", body, source="src/torchpin/checks"),
        "traps": wrap_section(
            "traps", paragraphs("## Traps", RULES_OPENING, rule_sections), source="src/torchpin/traps"
        ),
    }


def _rule_page(id_: str, rule: Check | Rule) -> str:
    return paragraphs(
        f"### {id_}",
        f"{prose(rule.title)}.",
        prose(rule.meaning),
        f"What to do: {prose(rule.help)}",
        f"Example: {prose(rule.example)}",
        f"Sources: {prose(rule.sources)}",
    )
