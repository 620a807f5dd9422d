"""uv's other hand: environments on this machine, and uv itself for an image's platform."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.description.environments import MACHINES, uv_platform
from torchpin.errors import ToolError
from torchpin.tools import files, process
from torchpin.tools.uv import uv_executable

if TYPE_CHECKING:
    from torchpin.image import plan
    from torchpin.model import Environment


def local_platform() -> str:
    """This machine's platform as variants call it, "" for one that torchpin knows nothing of."""
    system = {"linux": "linux", "darwin": "macos"}.get(sys.platform, "")
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower()
    )
    return f"{system}/{machine}" if f"{system}/{machine}" in MACHINES else ""


def venv_command(env: Environment, into: Path) -> tuple[str, ...]:
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
    """The interpreter that is running, where it is the wanted release: it need not be on PATH. Else uv finds or gets one."""
    interpreter = getattr(sys, "_base_executable", "") or sys.executable
    return interpreter if platform.python_version() == version else version


def install_command(step: plan.InstallStep, into: Path, folder: Path) -> tuple[str, ...]:
    """One layer into a native environment: as the image's Dockerfile does it."""
    build_options = ("--preview-features", "build-dependency-hashes", "--require-build-hashes",
              "--build-constraints", str(folder / "build.txt"))  # fmt: skip
    return (uv_executable(), "pip", "install", "--python", str(into), "--no-deps", "--require-hashes",
            *(build_options if step.builds else ("--no-build",)), "--requirements", str(folder / step.file))  # fmt: skip


def uv_for_platform(target: str, requirements: str, into: Path) -> Path:
    """The pinned uv's executable for a build's platform: this machine's own where it fits, else from PyPI, by hash.

    `requirements` is the text of torchpin's own hashed requirements, which hold uv's hashes for every platform.
    """
    if local_platform() == target:
        return Path(uv_executable())
    block = re.search(r"^uv==.*?(?=^\S|\Z)", requirements, re.MULTILINE | re.DOTALL)
    if not block:
        raise ToolError("requirements/run.txt holds no uv; restore it from git.")
    (into / "uv.txt").write_text(block[0])
    process.run((uv_executable(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--no-build", "--target", str(into / "uv-tree"),
               "--python-platform", uv_platform(target), "--requirements", str(into / "uv.txt")))  # fmt: skip
    return into / "uv-tree" / "bin" / "uv"


def remove_direct_urls(into: Path) -> None:
    """Removes what an installer notes about a file that lay in no index: its address may be a mirror's."""
    direct_urls = into.glob("lib/python*/site-packages/*.dist-info/direct_url.json")
    files.write_files(dict.fromkeys(direct_urls))
