"""Export of a lock as pylock.toml (PEP 751), by uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.redaction import redact_credentials
from torchpin.tools.uv_compile import compile_command, pylock_packages, run_compile, temporary_project

if TYPE_CHECKING:
    from torchpin.model import Artifact, Environment, Lock, Settings


def export_pylock(env: Environment, lock: Lock, settings: Settings, *, index: str | None) -> str:
    """The lock as PEP 751 `pylock.toml`, with the addresses that the indexes list today for the locked files.

    Raises ToolError when an index no longer lists the hash of a locked file.
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
                    f"{locked.filename}: the index no longer lists the locked hash {locked.sha256}"
                )
    head, body = text.split("lock-version", 1)
    del head  # a comment with uv's command line, which holds paths of this machine
    released = "".join(_archive_entry(package, settings) for package in abi_packages)
    return f"# {env.name}, exported from its lock by `invoke export`.\nlock-version{redact_credentials(body)}{released}"


def _archive_entry(package: Artifact, settings: Settings) -> str:
    """The pylock entry of a wheel that is in no index, at the address of its release (or of a mirror).

    PEP 751's `archive` is used since the file name carries an ABI as local version, which the version does not.
    """
    release_urls = {wheel.filename: wheel.release for wheel in facts.wheels()}
    base_url = settings.mirrors.get(package.name, release_urls.get(package.filename, "")).rstrip("/")
    address = redact_credentials(f"{base_url}/{package.filename.replace('+', '%2B')}")
    return (
        f'\n[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        f'archive = {{ url = "{address}", hashes = {{ sha256 = "{package.sha256}" }} }}\n'
    )
