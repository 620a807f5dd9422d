"""uv's hands for packages that are already locked: their known vulnerabilities, and the newest versions that fit."""

from __future__ import annotations

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.description.environments import mirror_variable
from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.queries import vulnerabilities
from torchpin.tools import http, process, uv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Settings
    from torchpin.queries.vulnerabilities import Advisory, Pin

MIRROR = "advisories"  # of OSV, which uv asks
_OUTPUT_OPTIONS = ("--output-format", "json", "--preview-features", "audit-command,json-output")
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)")
_ANSWER_CODES = (0, 1)  # nothing known, or something


def query_advisories(pins: Sequence[Pin], settings: Settings) -> tuple[Advisory, ...]:
    """The known vulnerabilities of packages at versions. Raises ToolError where that cannot be found out."""
    service = settings.mirrors.get(MIRROR)
    command = (
        uv.uv_executable(),
        "audit",
        "--frozen",
        "--quiet",
        *_OUTPUT_OPTIONS,
        *(("--service-url", service) if service else ()),
    )
    with tempfile.TemporaryDirectory(prefix="torchpin-") as folder:
        for name, text in vulnerabilities.uv_project(pins).items():
            (Path(folder) / name).write_text(text)
        completed = process.run(command, cwd=Path(folder), env=uv.uv_environment(settings), check=False)
    if completed.returncode not in _ANSWER_CODES:
        stderr_text = "\n".join(
            f"    {line}" for line in http.redact_credentials(completed.stderr.strip()).splitlines()
        )
        raise ToolError(
            f"The service of advisories could not be asked, so nothing is known:\n{stderr_text}\n"
            f"Try again, or name a mirror of it in {mirror_variable(MIRROR)} (or torchpin.toml)."
        )
    return vulnerabilities.parse_answer(completed.stdout, pins)


def newest_versions(
    requests: Mapping[str, tuple[Environment, Sequence[str]]], settings: Settings
) -> dict[str, dict[str, str]]:
    """The newest version on PyPI of each named package that fits an environment's Python and platform, by environment.

    Each alone: whether they fit each other is what a lock finds out. Raises ToolError where PyPI cannot be asked.
    """
    uv.uv_executable()  # found once, before the threads: Python's sysconfig is not made for several at a time
    with ThreadPoolExecutor(4) as pool:
        versions = pool.map(
            lambda request: _resolve_newest(request[0], request[1], settings), requests.values()
        )
        return dict(zip(requests, versions, strict=True))


def _resolve_newest(env: Environment, names: Sequence[str], settings: Settings) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="torchpin-") as folder:
        (Path(folder) / "pyproject.toml").write_text(
            uv_project.render_uv_project(env, index=None, pins=names)
        )
        command = uv.compile_command(env, "newest.txt", extra=("--no-deps", "--upgrade", "--no-annotate"))
        process_env = uv.uv_environment(settings) | {"TMPDIR": folder}
        completed = process.run(command, cwd=Path(folder), env=process_env, check=False)
        if completed.returncode:
            stderr_text = "\n".join(
                f"    {line}" for line in http.redact_credentials(completed.stderr.strip()).splitlines()
            )
            raise ToolError(
                f"{env.name}: PyPI could not be asked what is newest:\n{stderr_text}\nWith --offline it is left out."
            )
        text = (Path(folder) / "newest.txt").read_text()
    matches = (_PIN.match(line) for line in text.splitlines())
    return {canonicalize_name(match["name"]): match["version"] for match in matches if match}
