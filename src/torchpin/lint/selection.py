"""Which rules are asked: `--select` and `--ignore` by the beginnings of their ids."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def selected_ids(
    known_ids: Collection[str], select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> frozenset[str]:
    """The ids that begin with a selected prefix, all without one, less those that begin with an ignored one.

    Of a prefix in both, the longer one counts, and the ignored one of two equal ones. Raises InputError for one that no id has.
    """
    selected = _prefixes("--select", known_ids, select)
    ignored = _prefixes("--ignore", known_ids, ignore)
    return frozenset(
        id_ for id_ in known_ids if _longest(id_, ignored) < _longest(id_, selected or frozenset({""}))
    )


def _longest(id_: str, prefixes: Collection[str]) -> int:
    """The length of the longest prefix that an id has, -1 for none."""
    return max((len(prefix) for prefix in prefixes if id_.startswith(prefix)), default=-1)


def _prefixes(option: str, known_ids: Collection[str], values: Sequence[str]) -> frozenset[str]:
    prefixes = [part.strip().upper() for value in values for part in value.split(",") if part.strip()]
    for prefix in prefixes:
        if not any(id_.startswith(prefix) for id_ in known_ids):
            near = get_close_matches(prefix, sorted(known_ids), n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "docs/CHECKS.md lists them all"
            raise InputError(f"{option}: no rule has an id that begins with {prefix!r} ({hint})")
    return frozenset(prefixes)
