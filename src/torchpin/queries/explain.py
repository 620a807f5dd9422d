"""The pages of checks and rules, and what a message of a log means, as text and for programs."""

from __future__ import annotations

import re
from difflib import get_close_matches
from textwrap import indent
from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.checks.run import registered_checks
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Check
    from torchpin.facts import KnownFailure
from torchpin.lint.scan import registered_rules

_ID = re.compile(r"[A-Za-z]{3}\d+")
_PLACES = {"build": "while the image is built", "run": "when the container runs"}


def explanations(words: Sequence[str]) -> tuple[str, ...]:
    """The pages of ids as text, or the entry of the message that the words are. Raises InputError for neither."""
    message = _message_of(words)
    return (
        tuple(_failure_text(failure) for failure in find_failures(message))
        if message
        else tuple(map(explain, words))
    )


def explanation_documents(words: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The same for programs."""
    if message := _message_of(words):
        return tuple(_failure_fields(failure) for failure in find_failures(message))
    return tuple(map(explanation_fields, words))


def _message_of(words: Sequence[str]) -> str:
    """The words joined, "" where they are ids, or the single one that is nearly an id."""
    if all(_ID.fullmatch(word.strip()) for word in words):
        return ""
    return " ".join(" ".join(words).split())


def find_failures(message: str) -> tuple[KnownFailure, ...]:
    """The known failure whose pattern a message matches, or all in whose title or example it stands, in any case of letters.

    Raises InputError where there is none.
    """
    all_failures = facts.failures()
    if matching := next((failure for failure in all_failures if failure.pattern.search(message)), None):
        return (matching,)
    part = message.casefold()
    if containing := tuple(row for row in all_failures if part in f"{row.title}\n{row.example}".casefold()):
        return containing
    raise InputError(
        f"{message!r} is neither an id nor a known message; {paths.TROUBLESHOOTING} lists the messages, {paths.CHECKS} the ids"
    )


def _failure_text(failure: KnownFailure) -> str:
    checks = ", ".join(failure.checks)
    checks_note = f"Found beforehand by: {checks}\n\n" if checks else ""
    return (
        f"{failure.title}\n\nExample: {failure.example.strip()}\n\nCause: {failure.means}\n\nFix: {failure.help}\n\n{checks_note}"
        f"Occurs: {_PLACES[failure.stage]}\n\nSources: {failure.source}\n\n"
        f"Page: {paths.PUBLISHED}/{paths.TROUBLESHOOTING}\n"
    )


def _failure_fields(failure: KnownFailure) -> dict[str, Any]:
    return {
        "id": failure.id,
        "kind": "message",
        "title": failure.title,
        "meaning": failure.means,
        "help": failure.help,
        "example": failure.example.strip(),
        "checks": list(failure.checks),
        "stage": failure.stage,
        "sources": failure.source,
        "page": f"{paths.PUBLISHED}/{paths.TROUBLESHOOTING}",
    }


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
