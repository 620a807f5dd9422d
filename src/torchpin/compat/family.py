"""The packages of an environment that come from the channel of its torch, whoever requires them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.pins import file_packages, index_packages, pinned_version
from torchpin.description.environments import torch_build
from torchpin.memory import remembered

if TYPE_CHECKING:
    from torchpin.model import Environment


@remembered
def channel_names(env: Environment) -> frozenset[str]:
    """The names of torch, its companions, and all other packages that have a build for the channel of the environment.

    A package that the recorded page of the channel does not list comes from PyPI, and so does everything where torch
    does. One that the description takes from an index of its own, or from a file, comes from there. Where the base image has torch, only companions are taken to be in it: of the other packages PyPI's build is used
    where it is for the same CUDA (`needs_companion`).
    """
    family = frozenset(env.service.torch.family)
    channel = env.variant.channel
    if channel == "pypi" or env.service.torch.origin == "base":
        return family
    page = facts.index_snapshot(channel)
    elsewhere = _from_elsewhere(env)
    return family | {
        name
        for name in facts.channel_packages()
        if (page is None or name in page.packages) and name not in elsewhere
    }


def _from_elsewhere(env: Environment) -> set[str]:
    """The packages that the description takes from an index of its own, or from a file."""
    return {*index_packages(env), *file_packages(env)}


def needs_companion(env: Environment, name: str) -> bool:
    """Whether a package that the base image may have has to be named a companion, since PyPI's build is another one."""
    if env.service.torch.origin != "base":
        return False
    release = facts.release(str(env.service.torch.version))
    return (
        name in facts.channel_packages()
        and name not in env.service.torch.companions
        and name not in _from_elsewhere(env)
        and (release is None or release.pypi_local != torch_build(env))
    )


def layer_members(env: Environment) -> dict[str, str]:
    """The packages of layers that come from the channel, with their versions: they are installed together with torch."""
    names = channel_names(env)
    return {
        name: pinned_version(package)
        for layer in env.layers
        for package in layer.packages
        if (name := canonicalize_name(package.name)) in names
    }
