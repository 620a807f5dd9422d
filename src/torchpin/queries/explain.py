"""The page of a check or a rule as text."""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import indent
from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.checks.run import registered_checks
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.checks.registry import Check
from torchpin.lint.scan import registered_rules


def find_page(id_: str) -> Check:
    """The check or rule of an id in any case of letters. Raises InputError with near ids for one that does not exist."""
    name = id_.strip().upper()
    pages = {check.id: check for check in (*registered_checks(), *registered_rules())}
    if name not in pages:
        suggestions = get_close_matches(name, list(pages), n=3)
        hint = f"did you mean {', '.join(suggestions)}?" if suggestions else f"{paths.CHECKS} lists them all"
        raise InputError(f"{id_!r} is not the id of a check or a rule ({hint})")
    return pages[name]


def explanation_fields(id_: str) -> dict[str, Any]:
    """The page for programs. Raises InputError for an id that does not exist."""
    page = find_page(id_)
    return {
        "id": page.id,
        "kind": page.kind,
        "title": page.title,
        "meaning": page.meaning,
        "help": page.help,
        "example": page.example,
        "messages": [failure.title for failure in facts.failures_of(page.id)],
        "sources": page.sources,
        "page": _address(page),
        "needs": list(page.needs),
        "judge": page.judge,
        "level": page.level,
        "wrong": dict(page.wrong),
        "right": dict(page.right),
    }


def explain(id_: str) -> str:
    """The page as text. Raises InputError for an id that does not exist."""
    page = find_page(id_)
    needs = ", ".join(page.needs)
    level = page.level if page.kind == "rule" else ""
    parts = {
        "Level": level,
        "What to do": page.help,
        "Needs": needs,
        "Example": page.example,
        "Messages that it prevents": "; ".join(failure.title for failure in facts.failures_of(page.id)),
        "Sources": page.sources,
    }
    details = "".join(f"\n{title}: {text}\n" for title, text in parts.items() if text)
    examples = "".join(
        f"\n{title}, in {file}:\n\n{indent(text, '    ')}"
        for title, files in (("Wrong", page.wrong), ("Right", page.right))
        for file, text in files.items()
    )
    return f"{page.id}: {page.title}\n\n{page.meaning}\n{details}{examples}\nPage: {_address(page)}\n"


def _address(page: Check) -> str:
    return f"{paths.PUBLISHED}/{paths.CHECKS}#{page.id.lower()}"
