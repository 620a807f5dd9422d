"""What changed between two locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact


def package_changes(before: Mapping[str, Artifact], after: Mapping[str, Artifact]) -> tuple[str, ...]:
    """What a new lock changes: one sentence a package that is added, removed or moved."""
    return tuple(
        f"{name} {before[name].version if name in before else '(new)'} -> {after[name].version if name in after else '(gone)'}"
        for name in sorted({*before, *after})
        if name not in before or name not in after or before[name].version != after[name].version
    )
