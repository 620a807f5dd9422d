"""`services`: every service, its pins, and the state of lock, image and record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks import run
from torchpin.workspace.evidence import everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


HEADERS = ("environment", "Python", "torch", "base", "sources", "lock", "image", "record")


def services(repo: Repository, environments: Sequence[Environment]) -> list[tuple[str, ...]]:
    """A row an environment, as HEADERS names the cells."""
    evidence = everything(repo, environments)
    results = {(r.environment, r.check): r.status for r in run.run(evidence)}

    def row(env: Environment) -> tuple[str, ...]:
        stale = [one for one in ("LCK001", "LCK002") if results[env.name, one] == "found"]
        lock = "missing" if not evidence.lock_files[env.name] else "stale" if stale else "fresh"
        image = (
            "no engine"
            if evidence.engine
            else "built and proven"
            if env.name in evidence.built
            else "not built"
        )
        record = {"ok": "equals the lock", "found": "differs from the lock"}.get(
            results[env.name, "REC001"], "not recorded yet"
        )
        service = env.service
        tags = ", ".join(f"{source.name} {source.tag}" for source in service.sources)
        torch = f"{service.torch.version} ({env.variant.channel})"
        return env.name, str(service.python), torch, env.base.image, tags, lock, image, record

    return [row(env) for env in environments]
