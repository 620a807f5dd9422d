"""The uv executable: its environment, and the compile command that resolutions and exports share."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin.description.environments import uv_platform
from torchpin.errors import ToolError
from torchpin.tools import http, process

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment, Settings


UV_VERSION = version("uv")


# Settings of a user's machine that would change what is resolved. Where PyPI is found (UV_DEFAULT_INDEX) stays theirs.
_IGNORED_VARIABLES = ("UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE", "UV_EXCLUDE_NEWER", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
            "UV_FORK_STRATEGY", "UV_INDEX", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BUILD", "UV_NO_SOURCES", "UV_OVERRIDE",
            "UV_PRERELEASE", "UV_PYTHON", "UV_RESOLUTION", "UV_TORCH_BACKEND", "VIRTUAL_ENV")  # fmt: skip


@cache
def uv_executable() -> str:
    """The pinned uv's executable."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def uv_environment(settings: Settings) -> dict[str, str]:
    """The environment that uv runs in: this machine's, less what would change a resolution, with the PyPI mirror."""
    inherited = {name: value for name, value in os.environ.items() if name not in _IGNORED_VARIABLES}
    mirror = settings.mirrors.get("pypi")
    python = settings.mirrors.get("python")
    return (
        inherited
        | ({"UV_DEFAULT_INDEX": mirror} if mirror else {})
        | ({"UV_PYTHON_INSTALL_MIRROR": python} if python else {})
    )


def compile_command(
    env: Environment, output: str, *, upgrade: Sequence[str] = (), extra: Sequence[str] = ()
) -> tuple[str, ...]:
    """The uv command that resolves an environment's project for its Python and platform."""
    format_options = (
        ("--format", "pylock.toml")
        if output.endswith(".toml")
        else ("--annotation-style", "line", "--no-header")
    )
    upgrade_options = tuple(argument for name in upgrade for argument in ("--upgrade-package", name))
    return (uv_executable(), "pip", "compile", "pyproject.toml", "--quiet", "--output-file", output, *format_options, "--no-python-downloads",
            "--python-version", str(env.service.python), "--python-platform", uv_platform(env.variant.platform),
            *upgrade_options, *extra)  # fmt: skip


@contextmanager
def temporary_project(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        (Path(name) / "pyproject.toml").write_text(text)
        yield Path(name)


def run_compile(env: Environment, settings: Settings, folder: Path, command: tuple[str, ...]) -> None:
    # uv leaves lock files of the builds that it needs in TMPDIR: there they go with the folder
    completed = process.run(
        command, cwd=folder, env=uv_environment(settings) | {"TMPDIR": str(folder)}, check=False
    )
    if completed.returncode:
        output = completed.stderr.strip() or completed.stdout.strip()
        raise ToolError(
            f"{env.name} cannot be locked:\n"
            + "\n".join(f"    {line}" for line in http.redact_credentials(output).splitlines())
        )


def pylock_packages(folder: Path) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads((folder / "pylock.toml").read_text()).get("packages", [])
    return packages
