"""The log of an unexpected error."""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
import time
import traceback
from os import getpid
from pathlib import Path

from torchpin import __version__, paths
from torchpin.errors import TorchpinError
from torchpin.redaction import redact_credentials
from torchpin.tools.files import make_work_folder, write_files
from torchpin.workspace.workspace import find_root


def write_crash_log(error: BaseException) -> Path | None:
    """Writes the traceback below .torchpin/logs of the repository, or to the temporary folder; None where neither works."""
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{getpid()}.log"
    for folder in _log_folders():
        try:
            write_files({folder / name: crash_text(error)})
        except (TorchpinError, OSError):
            continue
        return _short_path(folder / name)
    return None


def crash_text(error: BaseException) -> str:
    """The versions, the command line and the traceback."""
    versions = f"torchpin {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return redact_credentials(f"{versions}\n{shlex.join(sys.argv)}\n\n{trace}")


def _log_folders() -> list[Path]:
    temporary = Path(tempfile.gettempdir())
    try:
        root = find_root(Path.cwd())
        make_work_folder(root)
        return [root / paths.LOGS, temporary]
    except (TorchpinError, OSError):  # no repository, or a current folder that was deleted
        return [temporary]


def _short_path(path: Path) -> Path:
    """Relative to the current folder, where it is inside."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path
