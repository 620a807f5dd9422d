"""Paths that patterns leave out, as the engine reads those of a .dockerignore."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker.utils.build import PatternMatcher


def ignore_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """What says whether a path is left out by patterns, as the engine reads those of a .dockerignore."""

    @cache
    def matcher() -> PatternMatcher:
        from docker.utils.build import PatternMatcher  # a tenth of a second, and most paths do not need it

        return PatternMatcher(patterns)

    names, suffixes = _plain_endings(patterns)

    def is_left_out(path: str) -> bool:
        parts = path.split("/")
        if (
            names is not None
            and names.isdisjoint(parts)
            and not any(part.endswith(suffixes) for part in parts)
        ):
            return False
        return bool(matcher().matches(path))  # type: ignore[arg-type] # the stubs name a type that it does not need

    return is_left_out


def _plain_endings(patterns: Sequence[str]) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """The last names of patterns, and the endings of names: a path that is left out has one. None for what only docker-py tells."""
    names, suffixes = set(), []
    for pattern in patterns:
        parts = [part for part in pattern.strip().split("/") if part not in {"", "."}]
        last = parts[-1] if parts else ""
        ending = last.removeprefix("*") if last.startswith("*.") else ""
        if ".." in parts or any(char in "*?[]!\\" for char in (ending or last)) or pattern.startswith("!"):
            return None, ()
        names |= set() if ending else {last}
        suffixes += [ending] if ending else []
    return frozenset(names), tuple(suffixes)
