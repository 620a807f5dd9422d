"""A lock as PEP 751 pylock.toml, by uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.tools import http
from torchpin.tools.uv import compile_command, pylock_packages, run_compile, temporary_project

if TYPE_CHECKING:
    from torchpin.model import Artifact, Environment, Lock, Settings


def export_pylock(env: Environment, lock: Lock, settings: Settings, *, index: str | None) -> str:
    """The lock as PEP 751 `pylock.toml`, with the addresses that the indexes give today for the locked files.

    Raises ToolError when an index now gives a locked file other bytes.
    """
    abi_packages = [package for package in lock.packages.values() if package.name in facts.abi_packages()]
    pins = [
        f"{package.name}=={package.version}"
        for package in lock.packages.values()
        if package not in abi_packages
    ]
    with temporary_project(uv_project.render_uv_project(env, index=index, pins=pins)) as folder:
        run_compile(env, settings, folder, compile_command(env, "pylock.toml", extra=("--no-deps",)))
        text = (folder / "pylock.toml").read_text()
        for package in pylock_packages(folder):
            locked = lock.packages[canonicalize_name(package["name"])]
            hashes = {
                row["hashes"].get("sha256")
                for row in [*package.get("wheels", ()), package.get("sdist", {"hashes": {}})]
            }
            if locked.sha256 not in hashes:
                raise ToolError(
                    f"{locked.filename}: the index does not give the locked hash {locked.sha256} any more."
                )
    head, body = text.split("lock-version", 1)
    del head  # uv's own command line, with paths of this machine
    released = "".join(_archive_entry(package, settings) for package in abi_packages)
    return f"# {env.name}, exported from its lock by `invoke export`.\nlock-version{http.redact_credentials(body)}{released}"


def _archive_entry(package: Artifact, settings: Settings) -> str:
    """The entry of a wheel that lies in no index, at its release (or its mirror).

    An archive, as the standard has files at an address: its name carries an ABI that its version does not.
    """
    release_urls = {wheel.filename: wheel.release for wheel in facts.wheels()}
    base_url = settings.mirrors.get(package.name, release_urls.get(package.filename, "")).rstrip("/")
    address = http.redact_credentials(f"{base_url}/{package.filename.replace('+', '%2B')}")
    return (
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        f'archive = {{ url = "{address}", hashes = {{ sha256 = "{package.sha256}" }} }}\n'
    )
