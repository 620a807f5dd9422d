"""`services`: every service with its pins and the state of its lock, image and record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks import run
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


HEADERS = ("environment", "Python", "torch", "base", "sources", "lock", "image", "record")


def service_rows(repo: Repository, environments: Sequence[Environment]) -> list[tuple[str, ...]]:
    """A row an environment, with the cells of HEADERS."""
    context = evidence.from_machine(repo, environments)
    results = {(result.environment, result.check): result.status for result in run.run(context)}

    def row(env: Environment) -> tuple[str, ...]:
        outdated = [check_id for check_id in ("LCK001", "LCK002") if results[env.name, check_id] == "failed"]
        lock = "missing" if not context.lock_files[env.name] else "out of date" if outdated else "current"
        image = (
            "no engine"
            if context.engine_problem
            else "built and verified"
            if env.name in context.images
            else "not built"
        )
        record = {"ok": "matches the lock", "failed": "does not match the lock"}.get(
            results[env.name, "REC001"], "not recorded yet"
        )
        service = env.service
        tags = ", ".join(f"{source.name} {source.version}" for source in service.sources)
        torch = f"{service.torch.version} ({env.variant.channel})"
        return env.name, str(service.python), torch, env.base.image, tags, lock, image, record

    return [row(env) for env in environments]


def list_services(workspace: Workspace) -> list[tuple[str, ...]]:
    """A row for each selected environment."""
    return service_rows(workspace.repo, workspace.environments)
