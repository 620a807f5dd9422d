"""`outdated`: the updates that each service could take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.lock import cooldown
from torchpin.progress import step
from torchpin.queries import outdated
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import current_date, for_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Environment, Lock, StatusCallback
    from torchpin.queries.outdated import UpdateList
    from torchpin.workspace.workspace import Repository


def outlooks(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    offline: bool = False,
    show_status: StatusCallback | None = None,
) -> tuple[UpdateList, ...]:
    """The possible updates of each environment and their effects. `offline`: PyPI is not queried.

    Raises InputError for an environment without a readable lock, and ToolError where PyPI cannot be read.
    """
    locks = {env.name: _readable_lock(repo, env) for env in environments}
    requested = {env.name: (env, outdated.independent_packages(env, locks[env.name])) for env in environments}
    policy = repo.policy
    cutoff = cooldown.cutoff_of_day(policy, current_date())
    newest = {}
    if not offline:
        with step(show_status, "reading the releases of PyPI"):
            newest = uv_audit.newest_versions(requested, repo.settings, cutoff)
    lists = [outdated.list_updates(env, locks[env.name], newest.get(env.name)) for env in environments]
    if cutoff is None or offline:
        return tuple(lists)
    note = f"cool-down of {cutoff.days} days: what PyPI has had only since {cutoff.time[:10]} is left out"
    return tuple(replace(updates, notes=(*updates.notes, note)) for updates in lists)


def _readable_lock(repo: Repository, env: Environment) -> Lock:
    context = for_judge(repo, [env])
    if env.name in context.locks:
        return context.locks[env.name]
    why = "; ".join(context.broken.get(env.name, ())) or "no lock"
    raise InputError(f"{env.name}: {why}; run `invoke lock --service {env.service.name}`")
