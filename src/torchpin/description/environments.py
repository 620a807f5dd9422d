"""The environments of the services: selection, platform, channel, CUDA version, mirror variables."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.errors import InputError
from torchpin.model import Environment, Service

if TYPE_CHECKING:
    from collections.abc import Iterable


MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64", "macos/arm64": "arm64"}
MIN_MACOS = (14, 0)  # the oldest release with security updates
GLIBC_MINOR = (
    28  # glibc 2.28, which torch's wheels require since 2.7; every base image since Debian 10 has it
)


def select_environments(
    services: Iterable[Service], *, service: str = "", variant: str = ""
) -> tuple[Environment, ...]:
    """All environments, or those of one service and variant. Raises InputError for a name that does not exist."""
    services_by_name = {candidate.name: candidate for candidate in services}
    if service and service not in services_by_name:
        raise InputError(_unknown_name_message("service", service, services_by_name))
    chosen = [services_by_name[service]] if service else list(services_by_name.values())
    selected = tuple(
        Environment(service=candidate, variant=candidate_variant)
        for candidate in chosen
        for candidate_variant in candidate.variants
        if variant in {"", candidate_variant.name}
    )
    if not selected:
        raise InputError(
            _unknown_name_message(
                "variant",
                variant,
                {candidate_variant.name for candidate in chosen for candidate_variant in candidate.variants},
            )
        )
    return selected


def _unknown_name_message(kind: str, name: str, existing: Iterable[str]) -> str:
    names = sorted(existing)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return f"{kind} {name!r} does not exist ({hint})"


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


def index_url(channel: str) -> str | None:
    """The channel's address; None for PyPI, which is the default index of the clients."""
    row = facts.channel(channel)
    return row.url if row and channel != "pypi" else None


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
    release = facts.release(str(env.service.torch.version))
    return release.pypi_local if release and env.variant.platform == "linux/amd64" else None
