"""The uv executable, its environment variables, and `uv pip compile` for resolutions and exports."""

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


# A user's settings that would change what is resolved. UV_DEFAULT_INDEX, where PyPI is found, is theirs to set.
_IGNORED_VARIABLES = ("UV_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_EXCLUDE", "UV_EXCLUDE_NEWER", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
            "UV_FORK_STRATEGY", "UV_INDEX", "UV_INDEX_STRATEGY", "UV_NO_BINARY", "UV_NO_BUILD", "UV_NO_SOURCES", "UV_OVERRIDE",
            "UV_PRERELEASE", "UV_PYTHON", "UV_RESOLUTION", "UV_TORCH_BACKEND", "VIRTUAL_ENV")  # fmt: skip


@cache
def uv_executable() -> str:
    """The path of the pinned uv, which is installed with torchpin."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def uv_environment(settings: Settings) -> dict[str, str]:
    """The environment variables for uv: this machine's, less those that change a resolution, with the mirrors."""
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
    """The uv command that resolves an environment's project for its Python and platform into the file `output`."""
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
    """A temporary folder with this pyproject.toml."""
    with tempfile.TemporaryDirectory(prefix="torchpin-") as name:
        (Path(name) / "pyproject.toml").write_text(text)
        yield Path(name)


def run_compile(env: Environment, settings: Settings, folder: Path, command: tuple[str, ...]) -> None:
    """Run a compile command in its project's folder. Raises ToolError, with uv's output, when there is no solution."""
    # uv leaves lock files of the builds that it needs in TMPDIR: in this folder they are removed with it
    completed = process.run(
        command, cwd=folder, env=uv_environment(settings) | {"TMPDIR": str(folder)}, check=False
    )
    if completed.returncode:
        raise ToolError(f"{env.name} cannot be locked:\n{error_output(completed.stderr, completed.stdout)}")


def error_output(*streams: str) -> str:
    """The first stream of a failed uv that is not empty, indented and without credentials."""
    output = next(filter(None, map(str.strip, streams)), "")
    return process.indent(http.redact_credentials(output))


def pylock_packages(folder: Path) -> list[dict[str, Any]]:
    """The packages of a project's pylock.toml, as PEP 751 tables."""
    packages: list[dict[str, Any]] = tomllib.loads((folder / "pylock.toml").read_text()).get("packages", [])
    return packages
