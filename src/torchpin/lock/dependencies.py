"""The dependencies of locked packages, from what each of them is required by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from torchpin.model import Artifact


def direct_dependencies(packages: Iterable[Artifact]) -> dict[str, set[str]]:
    """The names of the packages that each one requires itself; one that requires none is left out."""
    dependencies: dict[str, set[str]] = {}
    for package in packages:
        for parent in package.required_by:
            dependencies.setdefault(parent, set()).add(package.name)
    return dependencies


def required_closure(
    packages: Iterable[Artifact], roots: Iterable[str], *, without: Collection[str] = ()
) -> set[str]:
    """The roots and all that they require, directly or not, by no path through `without`."""
    dependencies = direct_dependencies(packages)
    required: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in required and name not in without:
            required.add(name)
            todo += dependencies.get(name, ())
    return required
