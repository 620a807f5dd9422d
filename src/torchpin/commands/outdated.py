"""`outdated`: the updates that each service could take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.queries import outdated
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import for_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment, Lock
    from torchpin.queries.outdated import UpdateList
    from torchpin.workspace.workspace import Repository


def outlooks(
    repo: Repository, environments: Sequence[Environment], *, offline: bool = False
) -> tuple[UpdateList, ...]:
    """The possible updates of each environment and their effects. `offline`: PyPI is not queried.

    Raises InputError for an environment without a readable lock, and ToolError where PyPI cannot be read.
    """
    locks = {env.name: _readable_lock(repo, env) for env in environments}
    requested = {env.name: (env, outdated.independent_packages(env, locks[env.name])) for env in environments}
    newest = {} if offline else uv_audit.newest_versions(requested, repo.settings)
    return tuple(outdated.list_updates(env, locks[env.name], newest.get(env.name)) for env in environments)


def _readable_lock(repo: Repository, env: Environment) -> Lock:
    context = for_judge(repo, [env])
    if env.name in context.locks:
        return context.locks[env.name]
    why = "; ".join(context.broken.get(env.name, ())) or "no lock"
    raise InputError(f"{env.name}: {why}; run `invoke lock --service {env.service.name}`")
