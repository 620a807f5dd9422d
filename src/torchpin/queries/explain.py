"""The page of a check or a rule as text."""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import indent

from torchpin import facts, paths
from torchpin.checks.run import registered_checks
from torchpin.errors import InputError
from torchpin.lint.scan import registered_rules


def explain(id_: str) -> str:
    """The page of an id in any case of letters. Raises InputError with near ids for one that does not exist."""
    name = id_.strip().upper()
    pages = {check.id: check for check in (*registered_checks(), *registered_rules())}
    if name not in pages:
        suggestions = get_close_matches(name, list(pages), n=3)
        hint = f"did you mean {', '.join(suggestions)}?" if suggestions else f"{paths.CHECKS} lists them all"
        raise InputError(f"{id_!r} is not the id of a check or a rule ({hint})")
    page = pages[name]
    needs = ", ".join(page.needs)
    level = page.level if page.kind == "rule" else ""
    parts = {
        "Level": level,
        "What to do": page.help,
        "Needs": needs,
        "Example": page.example,
        "Messages that it prevents": "; ".join(failure.title for failure in facts.failures_of(name)),
        "Sources": page.sources,
    }
    details = "".join(f"\n{title}: {text}\n" for title, text in parts.items() if text)
    examples = "".join(
        f"\n{title}, in {file}:\n\n{indent(text, '    ')}"
        for title, files in (("Wrong", page.wrong), ("Right", page.right))
        for file, text in files.items()
    )
    address = f"{paths.PUBLISHED}/{paths.CHECKS}#{name.lower()}"
    return f"{name}: {page.title}\n\n{page.meaning}\n{details}{examples}\nPage: {address}\n"
