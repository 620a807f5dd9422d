"""What a check or a trap means, in words for people."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin.adopt import scan
from torchpin.checks.registry import REGISTRY
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.adopt.registry import Trap
    from torchpin.checks.registry import Check


def explanation(id_: str) -> str:
    """The page of one id, in any case of letters. Raises InputError with near ones for an id that nothing has."""
    from torchpin.checks import rules  # noqa: F401 - registers them

    name = id_.strip().upper()
    known: dict[str, Check | Trap] = {**REGISTRY, **scan.known()}
    if name not in known:
        near = get_close_matches(name, list(known), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "docs/CHECKS.md lists them all"
        raise InputError(f"{id_!r} is no check and no trap ({hint})")
    one = known[name]
    needs = ", ".join(REGISTRY[name].needs) if name in REGISTRY else ""
    parts = {"What to do": one.remedy, "Needs": needs, "Example": one.example, "Sources": one.sources}
    told = "".join(f"\n{title}: {text}\n" for title, text in parts.items() if text)
    return f"{name}: {one.title}\n\n{one.meaning}\n{told}"
