"""ABI wheels in a lock: uv cannot resolve them, since they are in no index, and facts choose their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.compat.pins import declared_names
from torchpin.model import Artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.facts import Wheel
    from torchpin.model import Environment, PublishedHashes


def required_names(wheel: Wheel) -> frozenset[str]:
    """What an ABI wheel requires, by normalized name; torch goes without saying."""
    return frozenset(canonicalize_name(Requirement(text).name) for text in wheel.requires) | {"torch"}


def add_abi_wheels(
    env: Environment, required_by: Mapping[str, tuple[str, ...]], wheels: Mapping[str, Wheel]
) -> dict[str, tuple[str, ...]]:
    """`required_by` with the ABI wheels added: uv resolved their requirements as the service's, not the wheels'."""
    declared = declared_names(env.layers)
    merged = dict(required_by)
    for name, wheel in wheels.items():
        for dependency in required_names(wheel) - {"torch"}:
            parents = {*merged.get(dependency, ())} - (
                {env.service.name} - ({env.service.name} if dependency in declared else set())
            )
            merged[dependency] = tuple(sorted(parents | {name}))
        merged["torch"] = tuple(sorted({*merged.get("torch", ()), name}))
    return merged


def abi_artifact(env: Environment, wheel: Wheel, published: PublishedHashes | None) -> Artifact:
    """The artifact of an ABI wheel, with the published hash if there is one, else that of the facts."""
    name = canonicalize_name(wheel.package)
    published_hash = (published or {}).get(name, {}).get(name, {}).get(wheel.filename)
    return Artifact(
        name=name,
        version=wheel.version,
        filename=wheel.filename,
        sha256=published_hash or wheel.sha256,
        required_by=(env.service.name,),
    )
