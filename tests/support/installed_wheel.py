"""The built wheel in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.tools.uv import uv_executable

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and the files that were built."""

    folder: Path
    archives: tuple[Path, ...]

    def run(
        self, folder: Path, *command: str, code: int = 0, variables: Mapping[str, str] | None = None
    ) -> str:
        """The output of a command in a folder, of which only this environment's programs are found first."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TORCHPIN_", "PYTHON")) and name != "VIRTUAL_ENV"
        } | {
            "DOCKER_HOST": "unix:///nowhere/docker.sock",  # the lab with an engine has tests of its own
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]),
            **(variables or {}),
        }
        completed = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=240
        )
        output = completed.stdout + completed.stderr
        assert completed.returncode == code, (command, output)
        assert str(ROOT) not in output
        return output


def install_wheel(folder: Path) -> Installed:
    """Build the source archive, and the wheel from it, and install the wheel with its locked packages."""

    def run(*arguments: str | Path) -> None:
        subprocess.run((uv_executable(), *arguments), cwd=ROOT, check=True, capture_output=True)

    run("build", "--out-dir", folder / "dist")
    archives = tuple(sorted((folder / "dist").glob("torchpin-*")))
    run("venv", "--python", sys.executable, folder / "venv")
    install = ("pip", "install", "--python", folder / "venv")
    run(*install, "--require-hashes", "--requirements", "requirements/run.txt")
    run(*install, "--no-deps", next(path for path in archives if path.suffix == ".whl"))
    return Installed(folder=folder / "venv", archives=archives)
