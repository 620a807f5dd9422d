"""Comparing version strings that may be ranges, build names or no versions at all."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.version import Version


@lru_cache(
    maxsize=20_000
)  # of the packages of some hundred environments; a check asks for them over and over
def parse_version(text: str) -> Version:
    """The version of a text, which is parsed once. Raises InvalidVersion."""
    return Version(text)


def public_version(version: Version) -> Version:
    """A version without its local part, which a build for a channel has."""
    return version if version.local is None else parse_version(version.public)


def is_version(text: str) -> bool:
    """Whether a text is one version: not a range, and not the name of a build."""
    try:
        Version(text)
    except ValueError:  # InvalidVersion, and for a number of more digits than Python converts a plain one
        return False
    return True


def is_later(version: str, than: str) -> bool:
    """Whether a version is later than another; False where either is not a version."""
    return is_version(version) and is_version(than) and Version(version) > Version(than)


def version_numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version or a driver, in their order: `(12, 8)` for `12.8`."""
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


def major_minor(version: str) -> str:
    """The first two parts of a version: `2.5` for `2.5.1+cu121`, `12.4` for `12.4.1`."""
    return ".".join(version.split(".")[:2])
