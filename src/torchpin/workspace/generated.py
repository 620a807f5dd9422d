"""The files that are generated from descriptions, locks and records."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt import scan
from torchpin.checks.registry import REGISTRY
from torchpin.description.environments import select_environments
from torchpin.documents import bumps, checks, deviations, markdown, pinning
from torchpin.documents.gpus import GPUS_OPENING, gpu_sections
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.paths import rendered_paths, smoke_path
from torchpin.records import bump_log
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def expected_documents(
    repo: Repository, unwritten: Mapping[str, Lock], *, strict: bool = False
) -> dict[str, str]:
    """The documents as they should be; `unwritten` are locks that are not written yet.

    Empty while a service is not locked; `strict` raises InputError then.
    """
    from torchpin.checks import rules  # noqa: F401 - registers the checks that are documented

    locked: dict[str, Lock] = {}
    for env in select_environments(repo.services):
        try:
            locked[env.name] = (
                unwritten[env.name] if env.name in unwritten else workspace.read_lock(repo, env)
            )
        except InputError:
            if strict:
                raise
            return {}
    records = {name: repo.text(f"records/{name}/pip_freeze.txt") for name in locked}
    rows = [check for _, check in sorted(REGISTRY.items())]
    log = bump_log.parse_log(repo.text(bump_log.LOG_PATH))
    bumped = {"bumps": bumps.section(log)} if log else {}
    sections = {
        paths.PINNING: (pinning.PINNING_OPENING, pinning.pinning_sections(repo.services, locked, records)),
        paths.DEVIATIONS: (
            deviations.DEVIATIONS_OPENING,
            deviations.deviation_sections(repo.services, locked) | bumped,
        ),
        paths.GPUS: (GPUS_OPENING, gpu_sections(repo.services, locked)),
        paths.CHECKS: (checks.CHECKS_OPENING, checks.check_sections(rows, scan.registered_rules())),
    }
    return {
        path: markdown.splice_sections(path, repo.text(path) or opening, generated)
        for path, (opening, generated) in sections.items()
    }


def runtime_scripts(repo: Repository) -> dict[str, str]:
    """The scripts that images carry, name to text."""
    folder = repo.root / "docker" / "runtime"
    return {
        path.name: path.read_bytes().decode()
        for path in sorted(folder.iterdir())
        if path.suffix in {".py", ".sh"}
    }


@cache
def _dockerfile_template(root: Path) -> str:
    return (root / "docker" / "Dockerfile.j2").read_bytes().decode()


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """An environment's build, as text: where the two files lie, and the context that the list tells of."""

    files: dict[str, str]
    dockerfile: str
    context: plan.BuildContext
    image_key: str


def render_environment(repo: Repository, env: Environment, lock: Lock) -> Rendering:
    """What an environment renders to, and the key that follows from it."""
    path = smoke_path(env.service)
    smoke = repo.text(path)
    if smoke is None:
        raise InputError(f"{path} is missing: say there what must run inside the image.")
    context = plan.build_context(env, lock, runtime=runtime_scripts(repo), smoke=smoke)
    dockerfile = render_dockerfile(_dockerfile_template(repo.root), plan.image_plan(env, lock))
    listing = render_context_list(context)
    files = dict(zip(rendered_paths(env), (dockerfile, listing), strict=True))
    return Rendering(
        files=files,
        dockerfile=dockerfile,
        context=context,
        image_key=plan.image_key(env, dockerfile, listing),
    )
