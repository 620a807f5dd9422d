"""A pin of a version that no index has, read out of what uv says of a resolution without a solution."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin.compat.pins import list_pins

if TYPE_CHECKING:
    from torchpin.compat.pins import Pin
    from torchpin.model import Environment

_ABSENT = re.compile(
    r"(?:there is no version of|no versions? of) (?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(?P<version>[\w.+!-]+\w)"
)


def absent_pin(uv_text: str, env: Environment) -> Pin | None:
    """The first pin of an environment whose version no index has; None where uv's text names none."""
    pins = list_pins(env, None)
    for match in _ABSENT.finditer(" ".join(uv_text.split())):
        pin = pins.get(canonicalize_name(match["name"]))
        if pin and _is_version(match["version"], pin.version):
            return pin
    return None


def absent_text(pin: Pin, env: Environment) -> str:
    """Where the pin is, and what to do about it, in two lines."""
    return (
        f"{pin.location}: {pin.name}=={pin.version}: no index has this version\n"
        f"  help: choose one that exists; `invoke add {env.service.name} {pin.name}` takes the newest that fits, once the pin is "
        "removed; the lock stays as it was"
    )


def _is_version(text: str, version: Version) -> bool:
    try:
        return Version(text).public == version.public
    except InvalidVersion:
        return False
