"""Layers of packages with their pins."""

from __future__ import annotations

from packaging.requirements import Requirement

from torchpin.model import Layer


def make_layer(name: str, *pins: str, optional: bool = False) -> Layer:
    return Layer(name=name, packages=tuple(map(Requirement, pins)), optional=optional)
