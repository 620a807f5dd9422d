"""The addresses of locked files, as uv reads them from the indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.lock.pylock import Location
from torchpin.redaction import redact_credentials
from torchpin.tools import process
from torchpin.tools.uv import index_addresses
from torchpin.tools.uv_compile import (
    compile_command,
    configured_environment,
    error_output,
    pylock_packages,
    temporary_project,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torchpin.model import Artifact, Environment, Settings

_SECONDS = 300.0  # for the pages of all packages


def file_locations(
    env: Environment, packages: Iterable[Artifact], settings: Settings, *, index: str | None
) -> dict[str, Location]:
    """The places of locked files by package, from one run of uv on PyPI, or the mirror that stands for it.

    torch and its companions are looked up at `index`, if that is given. Nothing but the pages of the packages is read.
    Raises ToolError when an index cannot be read, or no longer lists a locked file.
    """
    locked = {package.name: package for package in packages}
    if not locked:
        return {}
    pins = [f"{package.name}=={package.version}" for package in locked.values()]
    project = uv_project.render_uv_project(
        env, index=index, pins=pins, indexes=index_addresses(env, settings)
    )
    with temporary_project(project + uv_project.without_requirements(locked.values())) as folder:
        variables = configured_environment(settings, folder) | {"TMPDIR": str(folder)}
        completed = process.run(
            compile_command(env, "pylock.toml", extra=("--no-deps",)),
            cwd=folder,
            env=variables,
            check=False,
            timeout=_SECONDS,
        )
        if completed.returncode:
            raise ToolError(
                f"{env.name}: the addresses of its files could not be read:\n"
                f"{error_output(completed.stderr, completed.stdout)}"
            )
        rows: dict[str, dict[str, Any]] = {
            canonicalize_name(row["name"]): row for row in pylock_packages(folder)
        }
        return {name: _location(package, rows.get(name, {}), folder) for name, package in locked.items()}


def _location(package: Artifact, row: Mapping[str, Any], folder: Path) -> Location:
    """The place of a locked file among the files that uv lists for its package."""
    files = [*row.get("wheels", ()), *([row["sdist"]] if "sdist" in row else [])]
    for file in files:
        if file.get("hashes", {}).get("sha256") == package.sha256:
            address = file.get("url") or (folder / file["path"]).resolve().as_uri()
            return Location(
                url=redact_credentials(address), size=file.get("size"), upload_time=file.get("upload-time")
            )
    raise ToolError(f"{package.filename}: the index no longer lists the locked hash {package.sha256}")
