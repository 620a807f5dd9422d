"""The Python that has a real torch, where one can be had without a network.

That is the torch of the Python that runs these tests, or else a wheel in the folder that TORCHPIN_TORCH_WHEELS names
(torch's wheel alone is enough: its dependencies are taken from there, or from the Python that runs these tests).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.runtime_scripts import RUNTIME

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "TORCHPIN_TORCH_WHEELS"
NEEDED = "typing_extensions"  # all that `import torch` needs of others


class TorchPython(NamedTuple):
    """A Python that can import torch, and where it finds what torch's own environment lacks."""

    python: str
    path: str = ""

    def run(self, *command: str) -> str:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        result = subprocess.run(
            (self.python, "-B", *command),
            env={**environ, **({"PYTHONPATH": self.path} if self.path else {}), "CUDA_VISIBLE_DEVICES": ""},
            cwd=RUNTIME,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


def from_wheels(folder: str, home: Path) -> TorchPython:
    uv = (sys.executable, "-m", "uv")
    python = str(home / "bin" / "python")
    install = (*uv, "pip", "install", "--offline", "--no-index", "--find-links", folder, "--python", python)
    venv_result = subprocess.run(
        (*uv, "venv", "--no-project", "--offline", "--python", sys.executable, str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert venv_result.returncode == 0, venv_result.stderr
    for options in ((), ("--no-deps",)):
        result = subprocess.run((*install, *options, "torch"), capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return TorchPython(python, sysconfig.get_paths()["purelib"] if options else "")
    return pytest.skip(f"{VARIABLE}={folder} has no torch for this Python: {result.stderr.strip()}")


def find_torch_python(home: Path) -> TorchPython:
    """Skips the test where there is none."""
    if importlib.util.find_spec("torch"):
        return TorchPython(sys.executable)
    folder = os.environ.get(VARIABLE)
    if not folder:
        return pytest.skip(f"no torch in {sys.executable}, and {VARIABLE} names no folder with a wheel of it")
    if importlib.util.find_spec(NEEDED) is None:
        return pytest.skip(f"no {NEEDED} in {sys.executable}, which torch imports")
    return from_wheels(folder, home)
