"""`export`: a lock in a standard format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.redaction import redact_credentials
from torchpin.workspace.workspace import read_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def export(repo: Repository, env: Environment, form: str) -> str:
    """An environment's lock in one of the FORMATS.

    Raises InputError for a lock that is missing, edited or out of date, and for a format that does not exist.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r} does not exist (known: {', '.join(FORMATS)})")
    return FORMATS[form](repo, env, read_lock(repo, env))


def _requirements(repo: Repository, env: Environment, lock: Lock) -> str:
    from torchpin.lock.export import render_requirements

    return render_requirements(env, lock, _known_urls(repo, lock))


def _pylock(repo: Repository, env: Environment, lock: Lock) -> str:
    from torchpin.lock.pylock import Location, build_pylock, pylock_text
    from torchpin.tools.uv_export import file_locations

    known = {name: Location(url=url) for name, url in _known_urls(repo, lock).items()}
    unknown = [package for name, package in lock.packages.items() if name not in known]
    index = repo.settings.mirrors.get(env.variant.channel) if env.variant.channel != "pypi" else None
    locations = known | file_locations(env, unknown, repo.settings, index=index)
    return pylock_text(env, lock, build_pylock(env, lock, locations))


def _known_urls(repo: Repository, lock: Lock) -> dict[str, str]:
    from torchpin.lock.locations import file_urls

    urls = file_urls(lock, repo.settings.mirrors)
    return {name: redact_credentials(url) for name, url in urls.items()}


FORMATS: Mapping[str, Callable[[Repository, Environment, Lock], str]] = {
    "requirements": _requirements,
    "pylock": _pylock,
}
