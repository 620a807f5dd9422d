"""What a check or a trap means, in words for people."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin.adopt import scan
from torchpin.checks.registry import REGISTRY
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.adopt.registry import Rule
    from torchpin.checks.registry import Check


def explain(id_: str) -> str:
    """The page of one id, in any case of letters. Raises InputError with near ones for an id that nothing has."""
    from torchpin.checks import rules  # noqa: F401 - registers them

    name = id_.strip().upper()
    registered: dict[str, Check | Rule] = {**REGISTRY, **scan.registered_rules()}
    if name not in registered:
        suggestions = get_close_matches(name, list(registered), n=3)
        hint = f"did you mean {', '.join(suggestions)}?" if suggestions else "docs/CHECKS.md lists them all"
        raise InputError(f"{id_!r} is no check and no trap ({hint})")
    rule = registered[name]
    needs = ", ".join(REGISTRY[name].needs) if name in REGISTRY else ""
    parts = {"What to do": rule.help, "Needs": needs, "Example": rule.example, "Sources": rule.sources}
    details = "".join(f"\n{title}: {text}\n" for title, text in parts.items() if text)
    return f"{name}: {rule.title}\n\n{rule.meaning}\n{details}"
