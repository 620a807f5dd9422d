"""`outdated`: the updates that each service could take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.queries import outdated
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment, Lock
    from torchpin.queries.outdated import Outlook
    from torchpin.workspace.workspace import Repository


def outlooks(
    repo: Repository, environments: Sequence[Environment], *, offline: bool = False
) -> tuple[Outlook, ...]:
    """What could move in each environment, and what that would open or close. `offline`: PyPI is not asked.

    Raises InputError for an environment without a readable lock, and ToolError where PyPI cannot be asked.
    """
    locks = {env.name: _lock(repo, env) for env in environments}
    wanted = {env.name: (env, outdated.asked(env, locks[env.name])) for env in environments}
    newest = {} if offline else uv_audit.newest(wanted, repo.settings)
    return tuple(outdated.outlook(env, locks[env.name], newest.get(env.name)) for env in environments)


def _lock(repo: Repository, env: Environment) -> Lock:
    found = judged(repo, [env])
    if env.name in found.locks:
        return found.locks[env.name]
    why = "; ".join(found.broken.get(env.name, ())) or "it is not locked"
    raise InputError(f"{env.name}: {why}. Run `invoke lock --service {env.service.name}`.")
