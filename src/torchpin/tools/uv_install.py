"""Environments on this machine, and uv's executable for an image's platform."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description.environments import MACHINES, uv_platform
from torchpin.lock.file_format import BUILD
from torchpin.tools import files, process
from torchpin.tools.resources import read_resource
from torchpin.tools.uv import uv_environment, uv_executable

if TYPE_CHECKING:
    from torchpin.image import plan
    from torchpin.model import Environment, Settings


def local_platform() -> str:
    """This machine's platform as in `variants`, for example linux/amd64; "" for one that torchpin does not support."""
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, "")
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower()
    )
    return f"{system}/{machine}" if f"{system}/{machine}" in MACHINES else ""


def venv_command(env: Environment, into: Path) -> tuple[str, ...]:
    """The uv command that creates an environment's venv, and replaces one that exists."""
    return (
        uv_executable(),
        "venv",
        "--quiet",
        "--no-project",
        "--clear",
        "--python",
        _python_request(str(env.service.python)),
        str(into),
    )


def _python_request(version: str) -> str:
    """This interpreter, which need not be on PATH, if it is the requested release; else the version, for uv to find."""
    interpreter = getattr(sys, "_base_executable", "") or sys.executable
    return interpreter if platform.python_version() == version else version


def install_command(step: plan.InstallStep, into: Path, folder: Path) -> tuple[str, ...]:
    """The uv command that installs a layer natively, with the same options as in the image's Dockerfile."""
    build_options = ("--preview-features", "build-dependency-hashes", "--require-build-hashes",
              "--build-constraints", str(folder / paths.lock_file(BUILD)))  # fmt: skip
    return (uv_executable(), "pip", "install", "--python", str(into), "--no-deps", "--require-hashes",
            *(build_options if step.builds else ("--no-build",)), "--requirements", str(folder / step.file))  # fmt: skip


def tools_command(into: Path, folder: Path) -> tuple[str, ...]:
    """The uv command that unpacks the build requirements of sources into the folder `tools`, for the Python of a venv."""
    return (uv_executable(), "pip", "install", "--python", str(into), "--no-deps", "--require-hashes", "--no-build",
            "--target", str(folder / "tools"), "--requirements", str(folder / paths.lock_file(BUILD)))  # fmt: skip


def source_command(into: Path, checkout: Path, *, editable: bool) -> tuple[str, ...]:
    """The uv command that installs a source itself, with the same options as in the image's Dockerfile."""
    return (uv_executable(), "pip", "install", "--python", str(into), "--offline", "--no-deps", "--no-build-isolation",
            *(("--editable",) if editable else ()), str(checkout))  # fmt: skip


def uv_for_platform(target: str, into: Path, settings: Settings) -> Path:
    """The pinned uv's executable for a build's platform: this machine's if it fits, else from PyPI, by hash.

    Raises ToolError when the download fails.
    """
    if local_platform() == target:  # nothing to download, also offline
        return Path(uv_executable())
    (into / "uv.txt").write_text(read_resource("uv.txt"))
    process.run((uv_executable(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-build", "--target", str(into / "uv-tree"),
               "--python-platform", uv_platform(target), "--requirements", str(into / "uv.txt")),
               env=uv_environment(settings), timeout=process.LONG)  # fmt: skip
    return into / "uv-tree" / "bin" / "uv"


def remove_direct_urls(into: Path) -> None:
    """Remove the direct_url.json (PEP 610) of files from no index: its address may be a mirror's."""
    direct_urls = into.glob("lib/python*/site-packages/*.dist-info/direct_url.json")
    files.write_files(dict.fromkeys(direct_urls))
