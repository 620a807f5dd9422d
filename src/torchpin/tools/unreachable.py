"""Indexes that uv cannot reach: which address, why, and what works without it; read out of uv's own words."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from torchpin.description.environments import index_url, mirror_variable
from torchpin.errors import VERBOSE_PREFIX

if TYPE_CHECKING:
    from torchpin.model import Environment, Settings

_ADDRESS = re.compile(r"Failed to fetch: [`'\"]?((https?://[^/\s`'\"]+)[^\s`'\"]*)")
_UNTRUSTED = "certificate not trusted"
# What uv says of a connection that was not made; an answer with a status, such as 403, is none of these.
_REASONS = MappingProxyType(
    {
        r"dns error|failed to lookup address": "name not known",
        r"connection refused": "connection refused",
        r"network is unreachable|no route to host": "no network",
        r"timed out": "no answer in time",
        r"invalid peer certificate": _UNTRUSTED,
    }
)


def unreachable_text(env: Environment, settings: Settings, output: str) -> str:
    """The message for an index that cannot be reached, with uv's words as lines for `-v`; "" where that is not the reason."""
    address = _ADDRESS.search(output)
    reason = next((text for words, text in _REASONS.items() if re.search(words, output, re.IGNORECASE)), "")
    if not (address and reason):
        return ""
    words = [f"  {VERBOSE_PREFIX}{line.strip()}" for line in output.splitlines()]
    if reason == _UNTRUSTED:  # uv's own hint is a flag that torchpin does not have
        advice = "set SSL_CERT_FILE to the file of the certificates that this network uses"
    else:
        advice = _advice(env, settings, address[1])
    return "\n".join([f"cannot reach {address[2]} ({reason})", f"  help: {advice}", *words])


def _advice(env: Environment, settings: Settings, address: str) -> str:
    channel = env.variant.channel
    official = index_url(channel)
    mirror = settings.mirrors.get(channel)
    variable = mirror_variable(channel)
    if mirror and address.startswith(mirror.rstrip("/")):
        return f"`--recorded` works without it; the address is that of the mirror of {channel} ({variable})"
    if official and not mirror and address.startswith(official.rstrip("/")):
        return f"`--recorded` works without it, or set {variable} to a mirror"
    return "check the network, or name a mirror (docs/mirrors.md)"
