"""`export`: a lock in a standard format."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError, ToolError
from torchpin.redaction import redact_credentials
from torchpin.workspace.generated import sbom_text
from torchpin.workspace.workspace import read_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository

_LAST_SECOND = 253_402_300_799  # of the year 9999, the last one that SPDX's times can name


def export(repo: Repository, env: Environment, form: str) -> str:
    """An environment's lock in one of the FORMATS.

    Raises InputError for a lock that is missing, edited or out of date, and for a format that does not exist.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r} does not exist (known: {', '.join(FORMATS)})")
    return FORMATS[form](repo, env, read_lock(repo, env))


def _requirements(repo: Repository, env: Environment, lock: Lock) -> str:
    from torchpin.lock.export import render_requirements

    return render_requirements(env, lock, _known_urls(repo, env, lock))


def _pylock(repo: Repository, env: Environment, lock: Lock) -> str:
    from torchpin.lock.pylock import Location, build_pylock, pylock_text
    from torchpin.tools.uv_export import file_locations

    index_locations = {name: Location(url=url) for name, url in _known_urls(repo, env, lock).items()}
    unknown = [package for name, package in lock.packages.items() if name not in index_locations]
    index = repo.settings.mirrors.get(env.variant.channel) if env.variant.channel != "pypi" else None
    locations = index_locations | file_locations(env, unknown, repo.settings, index=index)
    return pylock_text(env, lock, build_pylock(env, lock, locations))


def _known_urls(repo: Repository, env: Environment, lock: Lock) -> dict[str, str]:
    from torchpin.lock.locations import file_urls

    urls = file_urls(env, lock, repo.settings.mirrors)
    return {name: redact_credentials(url) for name, url in urls.items()}


def _cyclonedx(_: Repository, env: Environment, lock: Lock) -> str:
    """The text of the committed file, while that is up to date."""
    return sbom_text(env, lock)


def _spdx(repo: Repository, env: Environment, lock: Lock) -> str:
    from torchpin.sbom.inventory import environment_inventory
    from torchpin.sbom.spdx_document import spdx_text

    created = _lock_time(repo, env)
    return spdx_text(environment_inventory(env, lock), sbom_text(env, lock), created=created)


def _lock_time(repo: Repository, env: Environment) -> int:
    """SOURCE_DATE_EPOCH, else when a commit last changed the lock, else 0: seconds since 1970. SPDX requires a time."""
    stated = stated_time()
    if stated is not None:
        return stated
    with suppress(ToolError, ImportError):  # GitPython's import fails on a machine without git
        from torchpin.tools import git_checkout

        return git_checkout.last_change(repo.root, paths.lock_folder(env.name)) or 0
    return 0


def stated_time() -> int | None:
    """SOURCE_DATE_EPOCH; None where it is not set. Raises InputError where it is not a time."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not stated:
        return None
    if not re.fullmatch("[0-9]{1,12}", stated) or int(stated) > _LAST_SECOND:
        raise InputError(f"SOURCE_DATE_EPOCH must be seconds since 1970, not {stated!r}")
    return int(stated)


FORMATS: Mapping[str, Callable[[Repository, Environment, Lock], str]] = {
    "requirements": _requirements,
    "pylock": _pylock,
    "cyclonedx": _cyclonedx,
    "spdx": _spdx,
}
