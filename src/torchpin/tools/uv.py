"""The uv executable and its environment variables."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.parsing import parse_json
from torchpin.tools import process

if TYPE_CHECKING:
    from torchpin.model import Settings


UV_VERSION = version("uv")


# A user's settings that would change what is resolved. UV_DEFAULT_INDEX, where PyPI is found, is theirs to set.
_IGNORED_VARIABLES = ("UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE", "UV_EXCLUDE_NEWER", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
            "UV_FORK_STRATEGY", "UV_INDEX", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BUILD", "UV_NO_SOURCES", "UV_OVERRIDE",
            "UV_PRERELEASE", "UV_PYTHON", "UV_RESOLUTION", "UV_TORCH_BACKEND", "VIRTUAL_ENV")  # fmt: skip


@cache
def uv_executable() -> str:
    """The path of the pinned uv, which is installed with torchpin."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def uv_environment(settings: Settings) -> dict[str, str]:
    """The environment variables for uv: this machine's, less those that change a resolution, with the mirrors."""
    inherited = {name: value for name, value in os.environ.items() if name not in _IGNORED_VARIABLES}
    mirror = settings.mirrors.get("pypi")
    python = settings.mirrors.get("python")
    return (
        inherited
        | ({"UV_DEFAULT_INDEX": mirror} if mirror else {})
        | ({"UV_PYTHON_INSTALL_MIRROR": python} if python else {})
    )


def installable_pythons() -> tuple[Version, ...]:
    """The CPython releases that the pinned uv installs, by its own list; no network is asked."""
    command = (
        uv_executable(),
        "python",
        "list",
        "--all-versions",
        "--only-downloads",
        "--output-format",
        "json",
        "--offline",
    )
    output = process.run(command).stdout
    rows = [
        row for row in parse_json(output) if (row["implementation"], row["variant"]) == ("cpython", "default")
    ]
    versions = (Version(row["version"]) for row in rows)
    return tuple(version for version in versions if not version.is_prerelease)
