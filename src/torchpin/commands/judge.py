"""`judge`, `verify` and `why`: the checks, run on what was gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks import context, registry, run
from torchpin.errors import FindingsError
from torchpin.model import Outcome
from torchpin.queries.why import explain_component
from torchpin.tools.files import write_files
from torchpin.workspace.evidence import for_judge, from_machine, from_repository

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torchpin.model import Environment
    from torchpin.queries.why import Explanation
    from torchpin.workspace.workspace import Repository


def judge(
    repo: Repository, environments: Sequence[Environment], *, gpus: Sequence[str] = (), driver: str = ""
) -> tuple[registry.Result, ...]:
    """Whether the pins can work, by the judge's checks alone: descriptions, locks and facts; no network, no process."""
    return run.run(for_judge(repo, environments, gpus=gpus, driver=driver), judge=True)


def why(repo: Repository, env: Environment, component: str) -> Explanation:
    """A pin's chain, from the lock where it answers the description."""
    evidence = for_judge(repo, [env])
    return explain_component(
        env, context.current_lock(evidence, env), run.run(evidence, judge=True), component
    )


def write_page(file: Path, text: str) -> Outcome:
    """A page, written wherever people want it. Raises ToolError where it cannot be."""
    changed = write_files({file.absolute(): text})
    return Outcome(name=str(file), status="changed" if changed else "same")


def require_compatible(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError when facts say that pins cannot work; what is waived, and warnings, pass."""
    findings = run.blocking_findings(judge(repo, environments))
    if findings:
        text = "\n".join(f"{finding.location}: {finding.message}\n    {finding.help}" for finding in findings)
        raise FindingsError(f"{text}\nThese pins cannot work; nothing was started.")


def check(repo: Repository, environments: Sequence[Environment], *ids: str) -> tuple[registry.Result, ...]:
    """The committed state against the descriptions, by the checks whose ids start so. Offline, nothing resolved."""
    evidence = from_repository(
        repo, environments, texts=any(not check_id.startswith("LCK") for check_id in ids)
    )
    return tuple(result for result in run.run(evidence) if result.check.startswith(ids))


def verify(
    repo: Repository, environments: Sequence[Environment], *, require: Sequence[str] = ()
) -> tuple[registry.Result, ...]:
    """Every check on everything that can be gathered here. The network is asked only where it is required."""
    evidence = from_machine(repo, environments, network="network" in require)
    return run.run(evidence)


def exit_code(results: Sequence[registry.Result], *, require: Sequence[str] = ()) -> int:
    """The exit code that results ask for: findings, and skips of what is required."""
    failed = any(
        result.status == "found"
        or (result.status == "skipped" and (result.need in require or (result.image and "image" in require)))
        for result in results
    )
    return FindingsError.exit_code if failed else 0
