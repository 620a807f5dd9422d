"""The throw-away uv project that one resolution works on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.facts import Wheel
    from torchpin.model import Environment


def resolution_requirements(env: Environment, wheels: Mapping[str, Wheel]) -> tuple[str, ...]:
    """What one resolution of an environment must satisfy: every exact pin; of an ABI wheel, what it wants beside torch."""
    family = [f"{name}=={version}" for name, version in env.service.torch.family.items()]
    declared = [
        package
        for layer in env.service.layers
        for package in layer.packages
        if canonicalize_name(package.name) not in wheels
    ]
    wheel_requirements = [requirement for wheel in wheels.values() for requirement in wheel.requires]
    return (*family, *map(str, declared), *wheel_requirements)


def quote(value: str) -> str:
    """A double-quoted TOML or JSON string."""
    return json.dumps(value, ensure_ascii=False)


def render_uv_project(env: Environment, *, index: str | None, pins: Iterable[str] | None = None) -> str:
    """The uv project that one resolution answers: exact pins, torch and companions from one explicit index.

    `index` is the channel's address (or its mirror's); None takes all from PyPI. `pins` None: the described ones.
    """
    service = env.service
    lines = [
        "[project]",
        f"name = {quote(service.name)}",
        'version = "0"',
        f'requires-python = "=={service.python.major}.{service.python.minor}.*"',
        "dependencies = [",
        *(f"  {quote(pin)}," for pin in (resolution_requirements(env, {}) if pins is None else pins)),
        "]",
    ]
    if index:
        name = quote(env.variant.channel)
        lines += [
            "[[tool.uv.index]]",
            f"name = {name}",
            f"url = {quote(index)}",
            "explicit = true",
            "[tool.uv.sources]",
        ]
        lines += [f"{package} = {{ index = {name} }}" for package in service.torch.family]
    return "\n".join([*lines, ""])
