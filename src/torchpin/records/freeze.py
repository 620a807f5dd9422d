"""Freeze records: parsed, and compared with locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from torchpin.model import Lock


def freeze_differences(freeze: str, lock: Lock) -> tuple[str, ...]:
    """How a `pip freeze` text differs from a lock: nothing, or one sentence a package."""
    frozen = _parse_freeze(freeze)
    optional = {package.name for layer in lock.layers if layer.optional for package in layer.packages}
    locked: dict[str, str] = {
        canonicalize_name(name): package.version for name, package in lock.packages.items()
    }
    return tuple(
        f"{name}: the lock says {locked.get(name, 'nothing')}, found is {frozen.get(name, 'nothing')}"
        for name in sorted({*frozen, *locked})
        if frozen.get(name) != locked.get(name) and not (name in optional and name not in frozen)
    )


def freeze_changes(before: str, after: str) -> tuple[str, ...]:
    """What one freeze record holds otherwise than another: one sentence a package."""
    old, new = _parse_freeze(before), _parse_freeze(after)
    return tuple(
        f"{name} {old.get(name, '(new)')} -> {new.get(name, '(gone)')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def _parse_freeze(freeze: str) -> dict[str, str]:
    pins = (line.partition("==") for line in freeze.splitlines() if "==" in line)
    return {str(canonicalize_name(name)): version for name, _, version in pins}


def parse_freeze(freeze: str) -> dict[str, str]:
    """What a freeze record names, by normalized name."""
    pins = (line.strip().partition("==") for line in freeze.splitlines() if "==" in line)
    return {canonicalize_name(name): version for name, _, version in pins}
