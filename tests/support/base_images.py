"""Environments on a base image."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from torchpin.model import Base, Environment, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments

PYTORCH = "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"


def environment_on(
    environment: Environments, image: str, digest: str | None = None, **changes: Any
) -> Environment:
    return environment(base=Base(image=image, digest=digest), **changes)


def torch_of_base(version: str) -> Torch:
    return Torch(version=Version(version), companions=MappingProxyType({}), origin="base")
