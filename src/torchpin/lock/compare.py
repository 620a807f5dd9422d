"""What changed between two locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact


def moved_packages(
    before: Mapping[str, Artifact], after: Mapping[str, Artifact]
) -> list[tuple[str, str, str]]:
    """Name and versions before and after of each package that is new, removed or at another version; "" for none."""
    old, new = ({name: package.version for name, package in packages.items()} for packages in (before, after))
    moved = [(name, str(old.get(name, "")), str(new.get(name, ""))) for name in sorted({*old, *new})]
    return [(name, version, other) for name, version, other in moved if version != other]


def package_changes(before: Mapping[str, Artifact], after: Mapping[str, Artifact]) -> tuple[str, ...]:
    """One clause a package that is new, removed or at another version, such as `triton 3.1.0 -> 3.3.1`."""
    return tuple(
        f"{name} {old or '(new)'} -> {new or '(removed)'}" for name, old, new in moved_packages(before, after)
    )
