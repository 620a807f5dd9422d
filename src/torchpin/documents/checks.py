"""docs/CHECKS.md: every check and rule, from its docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, marked, paragraphs, prose, table
from torchpin.documents.sections import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.adopt.registry import Trap
    from torchpin.checks.registry import Check


CHECKS_OPENING = """\
# Checks

This page lists every check that `invoke verify` and `nox -s verify` run; those that need nothing are the judge's, which `invoke judge` runs alone.
A check whose needs are not met is skipped, visibly and counted.
A check of the judge is ok only from evidence; where a fact is missing it is unknown, and where there is nothing to judge it is moot.
`invoke judge --json` prints one document: `version`, `today`, `notices`, `services` (each with its verdict: ok, warned, refused or unknown) and `results` (check, environment, status, findings, accepted, unknown, grounds).
Write outside the generated sections as you like.
"""


TRAPS_OPENING = "What `invoke adopt` finds in Dockerfiles and requirement files that others wrote."


def checks(known: Iterable[Check], trapped: Mapping[str, Trap]) -> dict[str, str]:
    """The sections of docs/CHECKS.md: every check in a table, then each with its meaning; and the traps."""
    rows = list(known)
    cells = [
        (code(one.id), prose(one.title), prose(", ".join(one.needs)) or NOTHING, prose(one.remedy))
        for one in rows
    ]
    told = [_explained(one.id, one) for one in rows]
    body = paragraphs(table(("Check", "Title", "Needs", "Remedy"), cells), *told)
    traps_ = paragraphs(*(_explained(id_, one) for id_, one in trapped.items()))
    return {
        "checks": marked("checks", body, source="src/torchpin/checks"),
        "traps": marked("traps", paragraphs("## Traps", TRAPS_OPENING, traps_), source="src/torchpin/traps"),
    }


def _explained(id_: str, one: Check | Trap) -> str:
    return paragraphs(
        f"### {id_}",
        f"{prose(one.title)}.",
        prose(one.meaning),
        f"What to do: {prose(one.remedy)}",
        f"Example: {prose(one.example)}",
        f"Sources: {prose(one.sources)}",
    )
