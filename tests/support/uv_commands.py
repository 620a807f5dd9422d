"""uv in a folder, without the settings of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def run_uv(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    executable = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert executable, "uv is not installed"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("UV_", "VIRTUAL_ENV"))
    }
    environment |= {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    return subprocess.run(
        (executable, *arguments), cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
