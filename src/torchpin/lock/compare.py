"""What changed between two locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact


def package_changes(before: Mapping[str, Artifact], after: Mapping[str, Artifact]) -> tuple[str, ...]:
    """One clause a package that is new, removed or at another version, such as `triton 3.1.0 -> 3.3.1`."""
    old, new = ({name: package.version for name, package in packages.items()} for packages in (before, after))
    return tuple(
        f"{name} {old.get(name, '(new)')} -> {new.get(name, '(removed)')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )
