"""The secret mounts of a Dockerfile, for one machine: only those that it needs, in the cheapest way.

The committed Dockerfile has all of them and is part of the image key; what one machine builds is made of it here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

FOLDER = "machine"  # of the build context, for what is no secret

_MOUNT = re.compile(r"^[ \t]*--mount=type=secret,id=(?P<id>\w+),target=(?P<target>\S+) \\\n", re.MULTILINE)
_ANY_MOUNT = re.compile(r"--mount=type=secret,id=(\w+)")


def fit_secret_mounts(dockerfile: str, needed: Collection[str], files: Collection[str] = ()) -> str:
    """A Dockerfile without the secret mounts of ids that are not `needed`; those in `files` are bound out of the context.

    A mount that shares its line with something else, as a repository's own template may have it, stays.
    """

    def replacement(match: re.Match[str]) -> str:
        if match["id"] in files:
            return match[0].replace(
                f"type=secret,id={match['id']}", f"type=bind,source={FOLDER}/{match['id']}"
            )
        return match[0] if match["id"] in needed else ""

    return _MOUNT.sub(replacement, dockerfile)


def mounted_secrets(dockerfile: str) -> frozenset[str]:
    """The ids of the secrets that a Dockerfile mounts."""
    return frozenset(_ANY_MOUNT.findall(dockerfile))
