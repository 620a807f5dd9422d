"""`audit`: known vulnerabilities of the locked packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin.queries import vulnerabilities
from torchpin.tools import uv_audit
from torchpin.workspace.evidence import judged

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
    evidence = judged(repo, environments)
    locks = evidence.locks
    if not locks:
        return Audit(
            results=tuple(vulnerabilities.result(env, None, (), evidence.today) for env in environments),
            notices=(),
        )
    found = uv_audit.known(vulnerabilities.asked(locks.values()), repo.settings)
    results = (
        vulnerabilities.result(env, locks.get(env.name), found, evidence.today) for env in environments
    )
    notices = vulnerabilities.notices(
        [env for env in environments if env.name in locks], locks.values(), found
    )
    return Audit(results=tuple(results), notices=notices)
