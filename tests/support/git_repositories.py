"""Git in a folder."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(("git", *arguments), cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.strip()
