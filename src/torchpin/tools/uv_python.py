"""The Python that uv builds source archives with, found once and not by every run of uv; and which releases it can install."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from threading import Lock

from packaging.version import Version

from torchpin.errors import InputError, ToolError
from torchpin.parsing import parse_json
from torchpin.tools import process
from torchpin.tools.uv import UV_VERSION, machine_variables, uv_executable

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
def known_releases() -> frozenset[str]:
    """The releases of CPython that this uv can install, by its own list, without the network. Raises ToolError."""
    command = (uv_executable(), "python", "list", "--all-versions", "--only-downloads", "--offline")
    completed = process.run(
        (*command, "--output-format", "json"),
        cwd=Path(tempfile.gettempdir()),
        env=dict(machine_variables(os.environ)) | {"UV_NO_CONFIG": "1"},
        timeout=process.QUICK,
    )
    rows = parse_json(completed.stdout)
    return frozenset(row["version"] for row in rows if row["implementation"] == "cpython")


def require_known_release(text: str) -> None:
    """Raises InputError for a release of CPython that uv does not know, such as `3.12.99`; `3.12` is any of its series."""
    releases = known_releases()
    if text in releases or any(release.startswith(f"{text}.") for release in releases):
        return
    series = ".".join(text.split(".")[:2])
    near = sorted((release for release in releases if release.startswith(f"{series}.")), key=Version)
    help_text = f"the newest of {series} is {near[-1]}" if near else f"it knows no Python {series}"
    raise InputError(f"uv {UV_VERSION}, which installs Python, does not know Python {text}; {help_text}")


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
