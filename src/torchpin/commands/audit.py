"""`audit`: known vulnerabilities of the locked packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.queries import vulnerabilities as queries_vulnerabilities
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import for_judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Result
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """The results, an environment each, and words to people: what was asked, and waivers that accept nothing."""

    results: tuple[Result, ...]
    notices: tuple[str, ...]


def audit(repo: Repository, environments: Sequence[Environment]) -> Audit:
    """Known vulnerabilities of the locked packages. Raises ToolError where that cannot be found out."""
    evidence = for_judge(repo, environments)
    locks = evidence.locks
    if not locks:
        return Audit(
            results=tuple(
                queries_vulnerabilities.result(env, None, (), evidence.today) for env in environments
            ),
            notices=(),
        )
    vulnerabilities = uv_audit.query_advisories(
        queries_vulnerabilities.query_pins(locks.values()), repo.settings
    )
    results = (
        queries_vulnerabilities.result(env, locks.get(env.name), vulnerabilities, evidence.today)
        for env in environments
    )
    notices = queries_vulnerabilities.notices(
        [env for env in environments if env.name in locks], locks.values(), vulnerabilities
    )
    return Audit(results=tuple(results), notices=notices)
