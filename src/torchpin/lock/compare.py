"""What changed between two locks, and what of a layer its description has otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.compat.pins import pinned_version
from torchpin.facts.versions import parse_version
from torchpin.lock.layers import TORCH, TORCH_DEPS, declared_layers, layer_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock


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


def described_differences(env: Environment, lock: Lock, layer: LayerLock) -> Iterator[str]:
    """What a description has otherwise than a layer of its lock, as far as the lock tells: a clause a difference."""
    rows = (
        ("has Python", str(env.service.python), layer.python),
        ("is for", env.variant.platform, layer.platform),
        ("takes its files from", layer_index(env, layer.name), layer.origin),
    )
    for verb, described, locked in rows:
        if described != locked:
            yield f"the description {verb} {described}, the lock {locked}"
    packages, pins = lock.packages, _described_pins(env, layer.name)
    for name, version in pins.items():
        locked = packages[name].version if name in packages else ""
        if not locked or parse_version(locked).public != parse_version(version).public:
            has = f"has {locked}" if locked else "does not have it"
            yield f"the description pins {name} {version}, the lock {has}"
    for package in layer.packages:
        if env.service.name in package.required_by and package.name not in pins:
            yield f"the lock has {package.name} {package.version}, which the description does not pin there"


def _described_pins(env: Environment, layer: str) -> dict[str, str]:
    """The versions that a description pins in a layer, by normalized name."""
    if layer in {TORCH, TORCH_DEPS}:
        return {name: str(version) for name, version in env.service.torch.family.items()}
    declared = declared_layers(env).get(layer)
    packages = declared.packages if declared else ()
    return {canonicalize_name(package.name): pinned_version(package) for package in packages}
