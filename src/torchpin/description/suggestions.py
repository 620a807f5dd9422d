"""The end of a message about an unknown name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def name_hint(name: str, candidates: Iterable[str]) -> str:
    """The nearest known name, or all of them where none is near: `did you mean 'gpu'?` or `known: cpu, gpu`."""
    names = list(candidates)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
