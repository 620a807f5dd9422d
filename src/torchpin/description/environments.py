"""The environments of the services: selection, platform, channel, CUDA version, mirror variables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.suggestions import name_hint
from torchpin.errors import InputError, NoServiceError
from torchpin.model import Environment, Index, Service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "macos/arm64": "arm64"}
DOCKER_HUB = "docker.io"
MIN_MACOS = (14, 0)  # the oldest release with security updates
# glibc 2.28, which torch's wheels require since 2.7; every base image since Debian 10 has it.
GLIBC_MINOR = 28


def select_environments(
    services: Iterable[Service], *, service: str = "", variant: str = ""
) -> tuple[Environment, ...]:
    """All environments, or those of one service and variant.

    Raises InputError for a name that does not exist, NoServiceError where there is no service at all.
    """
    services_by_name = {candidate.name: candidate for candidate in services}
    if not services_by_name:
        raise NoServiceError("there is no service yet; `invoke new --service NAME` writes one to start from")
    if service and service not in services_by_name:
        raise _unknown_name_error("service", service, services_by_name)
    chosen = [services_by_name[service]] if service else list(services_by_name.values())
    selected = tuple(
        Environment(service=candidate, variant=candidate_variant)
        for candidate in chosen
        for candidate_variant in candidate.variants
        if variant in {"", candidate_variant.name}
    )
    if not selected:
        names = {candidate_variant.name for candidate in chosen for candidate_variant in candidate.variants}
        raise _unknown_name_error("variant", variant, names)
    return selected


def _unknown_name_error(kind: str, name: str, existing: Iterable[str]) -> InputError:
    return InputError(f"{kind} {name!r} does not exist ({name_hint(name, sorted(existing))})")


def mirror_variable(name: str) -> str:
    """The environment variable that replaces an address: of a channel, `pypi`, `python`, a source or a registry host."""
    return "TORCHPIN_MIRROR_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def uv_platform(platform: str) -> str:
    """The platform as uv's `--python-platform` names it."""
    machine = MACHINES[platform]
    return "aarch64-apple-darwin" if platform.startswith("macos") else f"{machine}-manylinux_2_{GLIBC_MINOR}"


def native_environment(env: Environment, platform: str) -> Environment | None:
    """The environment that `invoke install` makes on a machine of this platform; None if there is none.

    It is the environment itself on its own platform, and a CPU environment with PyPI's torch on macOS.
    """
    if env.variant.platform == platform:
        return env
    # On macOS, the torch of PyPI is a CPU build.
    if platform.startswith("macos") and env.variant.channel == "cpu":
        return replace(env, variant=replace(env.variant, channel="pypi", platform=platform))
    return None


def split_image_name(image: str) -> tuple[str, str]:
    """The registry of an image's name and its path there, with the tag: `nvidia/cuda:12.8.1` is Docker Hub's."""
    first, _, remainder = image.partition("/")
    is_host = remainder and ("." in first or ":" in first or first == "localhost")
    host, path = (first, remainder) if is_host else (DOCKER_HUB, image)
    if host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"  # the namespace of Docker Hub's official images
    return host, path


def base_path(env: Environment) -> str:
    """The key path of the base image: that of the variant, where it has its own."""
    return f"variants.{env.variant.name}.base" if env.variant.base else "base"


def with_build(env: Environment, version: Version, channel: str) -> Environment:
    """The environment with another release of torch, from another channel."""
    service = replace(env.service, torch=replace(env.service.torch, version=version))
    return replace(env, service=service, variant=replace(env.variant, channel=channel))


def index_url(channel: str) -> str | None:
    """The channel's address; None for PyPI, which is the default index of the clients."""
    row = facts.channel(channel)
    return row.url if row and channel != "pypi" else None


def service_index(env: Environment, name: str) -> Index | None:
    """An index of the description by its name; None for another name."""
    return next((index for index in env.service.indexes if index.name == name), None)


def origin_url(env: Environment, origin: str) -> str | None:
    """The address of a layer's origin: of an index of the description, or of a channel; None for PyPI."""
    index = service_index(env, origin)
    return index.url if index else index_url(origin)


def has_other_channel(env: Environment) -> bool:
    """Whether an environment is on a channel such as rocm6.3, of whose builds no more is known than what they are."""
    return facts.other_channel(env.variant.channel) is not None


def has_own_torch(env: Environment) -> bool:
    """Whether torch is that of the base image, and is its publisher's own build or not known: no channel's wheel is used."""
    row = facts.base_image(env.base.image)
    return env.service.torch.origin == "base" and (row is None or row.own_build or row.torch is None)


def torch_text(env: Environment) -> str:
    """The torch of a known build in messages: `torch 2.7.1+cu128`."""
    return f"torch {env.service.torch.version}+{torch_build(env)}"


def target_text(env: Environment) -> str:
    """What files have to be for, in messages: `Python 3.11.9 on linux/amd64`."""
    return f"Python {env.service.python} on {env.variant.platform}"


def cuda_version(env: Environment) -> str | None:
    """The CUDA version that this environment's torch is built with; None for a CPU build or an unknown one."""
    row = facts.channel(torch_build(env) or "")
    return row.cuda if row else None


def torch_build(env: Environment) -> str | None:
    """The local part that torch's `__version__` must have, such as `cu121`; None if it has none or is unknown."""
    if env.variant.platform.startswith("macos"):
        return "cpu"  # there is no CUDA on macOS, whatever the channel
    if env.variant.channel != "pypi":
        return env.variant.channel
    wheels = facts.pypi_wheels("torch", str(env.service.torch.version))
    return wheels.build.get(MACHINES[env.variant.platform]) if wheels else None
