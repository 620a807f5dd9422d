"""Known vulnerabilities and newest versions of locked packages, by uv."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.description.environments import mirror_variable
from torchpin.errors import ToolError
from torchpin.lock import uv_project
from torchpin.lock.cooldown import uv_options
from torchpin.queries import vulnerabilities
from torchpin.tools import process, uv, uv_compile
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Environment, Settings
    from torchpin.queries.vulnerabilities import Advisory, NameAndVersion

MIRROR = "advisories"  # the mirror's name in settings; without one uv queries OSV
_OUTPUT_OPTIONS = ("--output-format", "json", "--preview-features", "audit-command,json-output")
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)")
_AUDIT_EXIT_CODES = (0, 1)  # no vulnerability, or some; anything else is a failure


def query_advisories(pins: Sequence[NameAndVersion], settings: Settings) -> tuple[Advisory, ...]:
    """The known vulnerabilities of pinned packages. Raises ToolError when the advisory service cannot be queried."""
    service = settings.mirrors.get(MIRROR)
    command = (
        uv.uv_executable(),
        "audit",
        "--frozen",
        "--quiet",
        *_OUTPUT_OPTIONS,
        *(("--service-url", service) if service else ()),
    )
    with temporary_folder() as folder:
        for name, text in vulnerabilities.uv_project(pins).items():
            (folder / name).write_text(text)
        completed = process.run(
            command, cwd=folder, env=uv.uv_environment(settings), check=False, timeout=process.QUERY
        )
    if completed.returncode not in _AUDIT_EXIT_CODES:
        raise ToolError(
            f"the advisory service could not be queried:\n{uv_compile.error_output(completed.stderr)}\n"
            f"try again, or name a mirror of it in {mirror_variable(MIRROR)} (or torchpin.toml)"
        )
    return vulnerabilities.parse_advisories(completed.stdout, pins)


def newest_versions(
    requests: Mapping[str, tuple[Environment, Sequence[str]]],
    settings: Settings,
    cutoff: CutOff | None = None,
) -> dict[str, dict[str, str]]:
    """By environment, the newest version on PyPI of each named package that fits the environment's Python and platform.

    Each package is resolved alone: only a lock shows whether they fit each other. Raises ToolError when PyPI cannot be
    read. Releases after `cutoff` do not count, but for excepted packages.
    """
    uv.uv_executable()  # found and cached before the threads start: Python's sysconfig is not thread-safe
    with ThreadPoolExecutor(4) as pool:
        versions = pool.map(
            lambda request: _resolve_newest(request[0], request[1], settings, cutoff), requests.values()
        )
        return dict(zip(requests, versions, strict=True))


def _resolve_newest(
    env: Environment, names: Sequence[str], settings: Settings, cutoff: CutOff | None
) -> dict[str, str]:
    with temporary_folder() as folder:
        (folder / "pyproject.toml").write_text(uv_project.render_uv_project(env, index=None, pins=names))
        command = uv_compile.compile_command(
            env,
            "newest.txt",
            extra=("--no-deps", "--upgrade", "--no-annotate", *(uv_options(cutoff, ()) if cutoff else ())),
        )
        process_env = uv.uv_environment(settings) | {"TMPDIR": str(folder)}
        completed = process.run(command, cwd=folder, env=process_env, check=False, timeout=process.LONG)
        if completed.returncode:
            raise ToolError(
                f"{env.name}: the newest versions could not be read from PyPI:\n{uv_compile.error_output(completed.stderr)}\n"
                "use --offline to leave them out"
            )
        text = (folder / "newest.txt").read_text()
    matches = (_PIN.match(line) for line in text.splitlines())
    return {canonicalize_name(match["name"]): match["version"] for match in matches if match}
