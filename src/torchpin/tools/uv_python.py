"""The Python that uv builds source archives with, to read their metadata: found once, and not by every run of uv."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from threading import Lock

from torchpin.errors import ToolError
from torchpin.tools import process
from torchpin.tools.uv import machine_variables, uv_executable

_FINDING = Lock()


def python_options(release: str) -> tuple[str, ...]:
    """uv's options for the Python of a release such as `3.10`, as uv chooses it: that release, else any; () for none.

    uv looks for it in each run, and starts all that is called so: with the shims of a version manager that takes as long
    as the resolution itself.
    """
    variables = tuple(sorted(machine_variables(os.environ).items()))
    with _FINDING:  # environments are resolved side by side
        path = _find(release, variables) or _find("", variables)
    return ("--python", path) if path else ()


@cache
def _find(release: str, variables: tuple[tuple[str, str], ...]) -> str:
    """The path of an installed Python, "" where there is none."""
    command = (uv_executable(), "python", "find", "--no-project", "--no-python-downloads", release)
    environment = dict(variables) | {"UV_NO_CONFIG": "1"}
    try:
        completed = process.run(
            tuple(filter(None, command)),
            cwd=Path(tempfile.gettempdir()),
            env=environment,
            check=False,
            timeout=process.QUICK,
        )
    except ToolError:  # uv itself then says what is wrong
        return ""
    return "" if completed.returncode else completed.stdout.strip()
