"""The uv executable, its environment variables, and what this machine configures for it."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.description.uv_settings import parse_uv_settings, reaching_variables
from torchpin.errors import InputError, ToolError
from torchpin.parsing import parse_json
from torchpin.tools import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Environment, Settings


def installed_version() -> str:
    """The version of the uv that is installed with torchpin; "" where its metadata are missing."""
    try:
        return version("uv")
    except PackageNotFoundError:
        return ""


UV_VERSION = installed_version()


@cache
def uv_executable() -> str:
    """The path of the pinned uv, which is installed with torchpin. Raises ToolError where it is missing, or in part."""
    try:
        from uv import find_uv_bin

        path = str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        path = ""
    if not (path and UV_VERSION):
        missing = "its metadata" if path else "it"
        raise ToolError(f"torchpin brings uv, and {missing} cannot be found; install torchpin again")
    return path


def index_addresses(env: Environment, settings: Settings) -> dict[str, str]:
    """The addresses of the indexes of a description, or of their mirrors, by name."""
    return {index.name: settings.mirrors.get(index.name, index.url) for index in env.service.indexes}


def uv_environment(settings: Settings) -> dict[str, str]:
    """The environment variables for uv: this machine's, with the mirrors, and nothing that changes what is resolved.

    uv reads no configuration file: of this machine's, only where and how packages are reached is handed on, as variables.
    Raises InputError for a configuration file of uv that cannot be read.
    """
    mirrors = {
        "UV_DEFAULT_INDEX": settings.mirrors.get("pypi"),
        "UV_PYTHON_INSTALL_MIRROR": settings.mirrors.get("python"),
    }
    chosen = {name: value for name, value in mirrors.items() if value}
    return machine_variables(os.environ) | chosen | {"UV_NO_CONFIG": "1"}


def machine_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """This machine's variables, with what uv's configuration files say of how packages are reached, where none says it.

    Raises InputError as uv_environment does.
    """
    inherited = reaching_variables(environ)
    if old_name := inherited.pop("UV_INDEX_URL", ""):
        inherited.setdefault("UV_DEFAULT_INDEX", old_name)
    if "UV_NATIVE_TLS" in inherited:
        inherited.setdefault("UV_SYSTEM_CERTS", inherited.pop("UV_NATIVE_TLS"))
    configured = parse_uv_settings([*_configuration_files(environ)])
    names = {name.upper() for name in inherited}  # proxies are named in small letters, too
    return inherited | {name: value for name, value in configured.items() if name not in names}


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in {"1", "true", "t", "yes", "y", "on"}


def _configuration_files(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The files that uv would read whatever its folder is, each with its text: the user's before the system's."""
    if _is_set(environ, "UV_NO_CONFIG"):
        return
    if file := environ.get("UV_CONFIG_FILE"):
        candidates = [[Path(file)]]
    else:
        home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        shared = [
            Path(folder) for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder
        ]
        of_system = [*(folder / "uv/uv.toml" for folder in shared), Path("/etc/uv/uv.toml")]
        candidates = [[home / "uv/uv.toml"], [] if _is_set(environ, "UV_NO_SYSTEM_CONFIG") else of_system]
    for paths in candidates:
        path = next((path for path in paths if path.is_file()), None)
        if path:
            try:
                yield str(path), path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path}: uv's settings cannot be read: {error}") from None


def installable_pythons() -> tuple[Version, ...]:
    """The CPython releases that the pinned uv installs, by its own list; no network is asked."""
    options = ("--all-versions", "--only-downloads", "--output-format", "json", "--offline", "--no-config")
    rows = parse_json(process.run((uv_executable(), "python", "list", *options)).stdout)
    versions = [
        Version(row["version"])
        for row in rows
        if (row["implementation"], row["variant"]) == ("cpython", "default")
    ]
    return tuple(version for version in versions if not version.is_prerelease)
