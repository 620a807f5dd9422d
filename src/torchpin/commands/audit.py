"""`audit`: known vulnerabilities of the locked packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.commands.judge import report_results
from torchpin.progress import step
from torchpin.queries.vulnerabilities import audit_notices, audit_result, query_pins
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import for_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Result
    from torchpin.commands.report import CommandReport, Watcher
    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment, StatusCallback
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """A result for each environment. `notices`: what was queried, and waivers that match no vulnerability."""

    results: tuple[Result, ...]
    notices: tuple[str, ...]


def audit(
    repo: Repository, environments: Sequence[Environment], *, show_status: StatusCallback | None = None
) -> Audit:
    """Known vulnerabilities of the locked packages. Raises ToolError where the database cannot be read."""
    context = for_judge(repo, environments)
    locks = context.locks
    if not locks:
        return Audit(
            results=tuple(audit_result(env, None, (), context.today) for env in environments),
            notices=(),
        )
    with step(show_status, "reading known vulnerabilities"):
        advisories = uv_audit.query_advisories(query_pins(locks.values()), repo.settings)
    results = (audit_result(env, locks.get(env.name), advisories, context.today) for env in environments)
    notices = audit_notices(
        [env for env in environments if env.name in locks],
        [locks[env.name] for env in environments if env.name in locks],
        advisories,
    )
    return Audit(results=tuple(results), notices=notices)


def audit_workspace(workspace: Workspace, watcher: Watcher) -> CommandReport:
    """The vulnerabilities of the environments' packages; one without a lock fails."""
    audited = audit(workspace.repo, workspace.environments, show_status=watcher.status)
    return report_results(audited.results, require=("lock",), notices=audited.notices)
