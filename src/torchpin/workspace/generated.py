"""The files that are generated from descriptions, locks and records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt import scan
from torchpin.checks.registry import REGISTRY
from torchpin.description import environments as description_environments
from torchpin.documents import bumps, checks, deviations, markdown, pinning
from torchpin.documents.gpus import GPUS_OPENING, gpu_sections
from torchpin.errors import InputError
from torchpin.image import dockerfile as image_dockerfile
from torchpin.image import plan
from torchpin.paths import rendered_paths, smoke_path
from torchpin.records import bump_log
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def documents(repo: Repository, made: Mapping[str, Lock], *, strict: bool = False) -> dict[str, str]:
    """The documents as they should be; `made` are locks that are not written yet.

    Empty while a service is not locked; `strict` raises InputError then.
    """
    from torchpin.checks import rules  # noqa: F401 - registers the checks that are documented

    locked: dict[str, Lock] = {}
    for env in description_environments.environments(repo.services):
        try:
            locked[env.name] = made[env.name] if env.name in made else workspace.lock(repo, env)
        except InputError:
            if strict:
                raise
            return {}
    records = {name: repo.text(f"records/{name}/pip_freeze.txt") for name in locked}
    rows = [one for _, one in sorted(REGISTRY.items())]
    log = bump_log.entries(repo.text(bump_log.LOG))
    bumped = {"bumps": bumps.section(log)} if log else {}
    sections = {
        paths.PINNING: (pinning.PINNING_OPENING, pinning.pinning(repo.services, locked, records)),
        paths.DEVIATIONS: (
            deviations.DEVIATIONS_OPENING,
            deviations.deviations(repo.services, locked) | bumped,
        ),
        paths.GPUS: (GPUS_OPENING, gpu_sections(repo.services, locked)),
        paths.CHECKS: (checks.CHECKS_OPENING, checks.checks(rows, scan.known())),
    }
    return {
        path: markdown.spliced(path, repo.text(path) or opening, made)
        for path, (opening, made) in sections.items()
    }


def runtime(repo: Repository) -> dict[str, str]:
    """The scripts that images carry, name to text."""
    folder = repo.root / "docker" / "runtime"
    return {
        path.name: path.read_bytes().decode()
        for path in sorted(folder.iterdir())
        if path.suffix in {".py", ".sh"}
    }


@cache
def _template(root: Path) -> str:
    return (root / "docker" / "Dockerfile.j2").read_bytes().decode()


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """An environment's build, as text: where the two files lie, and the context that the list tells of."""

    files: dict[str, str]
    dockerfile: str
    context: plan.Context
    key: str


def rendered(repo: Repository, env: Environment, lock: Lock) -> Rendered:
    """What an environment renders to, and the key that follows from it."""
    path = smoke_path(env.service)
    smoke = repo.text(path)
    if smoke is None:
        raise InputError(f"{path} is missing: say there what must run inside the image.")
    context = plan.context(env, lock, runtime=runtime(repo), smoke=smoke)
    dockerfile = image_dockerfile.dockerfile(_template(repo.root), plan.image(env, lock))
    listing = image_dockerfile.context_list(context)
    files = dict(zip(rendered_paths(env), (dockerfile, listing), strict=True))
    return Rendered(
        files=files, dockerfile=dockerfile, context=context, key=plan.key(env, dockerfile, listing)
    )
