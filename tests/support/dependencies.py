"""Environments with a few pins, and their locks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import Version

from support.checks import FILE
from torchpin.model import Environment, Layer, Lock, Position, Torch

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks


def make_environment(
    environment: Environments, *pins: str, torch: str = "2.5.1", **changes: Any
) -> Environment:
    """An environment with these pins in one layer, on lines 1, 2 and so on, and torch on line 99."""
    positions = {
        f"layers[0].packages[{n}]": Position(file=FILE, line=n + 1, column=9) for n in range(len(pins))
    }
    positions["torch.version"] = Position(file=FILE, line=99, column=12)
    return environment(
        layers=(Layer(name="tools", packages=tuple(map(Requirement, pins))),),
        torch=Torch(version=Version(torch), companions={}),
        positions=positions,
        **changes,
    )


def make_lock(env: Environment, lock: Locks, artifact: Artifacts, *transitive: tuple[str, str]) -> Lock:
    """A current lock of the declared packages and of these transitive ones."""
    declared = [
        (requirement.name, next(iter(requirement.specifier)).version)
        for requirement in env.service.layers[0].packages
    ]
    torch = f"{env.service.torch.version}+{env.variant.channel}"
    transitive_artifacts = [artifact(name, version, by=("tools",)) for name, version in transitive]
    return lock(env, artifact("torch", torch), *(artifact(*pin) for pin in declared), *transitive_artifacts)
