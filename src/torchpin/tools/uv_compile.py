"""`uv pip compile`: its command, the project that it works on, and what it writes."""

from __future__ import annotations

from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import tomli_w
from packaging.utils import canonicalize_name

from torchpin.compat.project_requirements import ranges_in_the_way
from torchpin.description.environments import uv_platform
from torchpin.errors import FINDINGS, ToolError
from torchpin.lock.absent_versions import absent_pin, absent_text
from torchpin.model import Artifact
from torchpin.parsing import parse_toml
from torchpin.redaction import redact_credentials
from torchpin.tools import http, process
from torchpin.tools.scratch import temporary_folder
from torchpin.tools.unreachable import unreachable_text
from torchpin.tools.uv import uv_environment, uv_executable
from torchpin.tools.uv_progress import RESOLVER_LOG, SelectedPackages
from torchpin.tools.uv_python import python_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torchpin.model import Environment, Settings
    from torchpin.progress import Step

CONFIGURATION = "uv.toml"  # of a temporary project
_NO_SOLUTION = 1  # uv's exit code; 2 is that it could not read an index, or any other error
_UNAUTHORIZED = (
    "lack of valid authentication credentials (401"  # in a hint of uv, whose exit code is that of no solution
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
    """A temporary folder with this pyproject.toml, and a uv.toml with its `[tool.uv]`: limits and metadata of dependencies.

    uv takes these from its configuration only, and is told to read this one instead of the machine's. It has the
    indexes, too: of others uv does not say that they want credentials.
    """
    settings = parse_toml(text).get("tool", {}).get("uv", {})
    configured = {key: value for key, value in settings.items() if key != "sources"}
    with temporary_folder() as folder:
        (folder / "pyproject.toml").write_text(text)
        (folder / CONFIGURATION).write_text(tomli_w.dumps(configured))
        yield folder


class NoSolutionError(ToolError):
    """The indexes answered, and nothing that they have fits the requirements: the pins are wrong, and not the machine."""

    exit_code = FINDINGS


def run_compile(
    env: Environment,
    settings: Settings,
    folder: Path,
    command: tuple[str, ...],
    *,
    running: Step | None = None,
) -> None:
    """Run a compile command in its project's folder; `running` is advanced by each package that uv selects.

    Raises ToolError with uv's output, a NoSolutionError for no solution.
    """
    # uv leaves lock files of the builds that it needs in TMPDIR: in this folder they are removed with it
    release = f"{env.service.python.major}.{env.service.python.minor}"
    completed = process.run(
        (*command, *python_options(release)),
        cwd=folder,
        env=configured_environment(settings, folder)
        | {"TMPDIR": str(folder)}
        | ({"RUST_LOG": RESOLVER_LOG} if running else {}),
        check=False,
        timeout=process.LONG,
        listen=SelectedPackages(running).read if running else None,
    )
    if completed.returncode:
        output = error_output(completed.stderr, completed.stdout)
        if message := unreachable_text(env, settings, output):
            raise ToolError(message)
        if _UNAUTHORIZED in output:
            output += "\nname its user and password in a netrc file or by `uv auth login`, then try again"
        answered = completed.returncode == _NO_SOLUTION and _UNAUTHORIZED not in output
        if answered and (ranges := ranges_in_the_way(env, output)):
            output += f"\n{ranges}"
        kind = NoSolutionError if answered else ToolError
        absent = absent_pin(output, env) if answered else None
        reason = absent_text(absent, env) if absent else f"{env.name} cannot be locked:"
        raise kind(f"{reason}\n{output}")


def configured_environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables for uv, which reads the configuration of a temporary project and none of the machine."""
    variables = uv_environment(settings) | {"UV_CONFIG_FILE": str(folder / CONFIGURATION)}
    del variables["UV_NO_CONFIG"]
    return variables


def error_output(*streams: str) -> str:
    """The first stream of a failed uv that is not empty, indented and without credentials."""
    output = next(filter(str.strip, streams), "")
    # its lines stand to each other as uv wrote them, so the first keeps its blanks, too
    return process.indent(redact_credentials(dedent(output.strip("\n").rstrip())))


def pylock_packages(folder: Path) -> list[dict[str, Any]]:
    """The packages of a project's pylock.toml, as PEP 751 tables."""
    packages: list[dict[str, Any]] = parse_toml((folder / "pylock.toml").read_text()).get("packages", [])
    return packages


def pylock_files(package: Mapping[str, Any]) -> Iterator[tuple[Artifact, str]]:
    """The hashed files of a package of a pylock.toml, each with its address, or its path where it is a local one."""
    for row in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]:
        address = row.get("url") or row["path"]
        digest = row.get("hashes", {}).get("sha256")
        if digest:
            artifact = Artifact(
                name=canonicalize_name(package["name"]),
                version=package["version"],
                filename=row.get("name") or http.filename(address),
                sha256=digest,
                size=row.get("size"),
            )
            yield artifact, address
