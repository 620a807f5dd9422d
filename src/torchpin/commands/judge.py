"""`judge`, `verify` and `why`: the checks, run on what was gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks import context, registry, run
from torchpin.errors import FindingsError
from torchpin.model import Outcome
from torchpin.queries import why as queries_why
from torchpin.tools.files import write_files
from torchpin.workspace.evidence import committed, everything, judged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torchpin.model import Environment
    from torchpin.queries.why import Why
    from torchpin.workspace.workspace import Repository


def judge(
    repo: Repository, environments: Sequence[Environment], *, gpus: Sequence[str] = (), driver: str = ""
) -> tuple[registry.Result, ...]:
    """Whether the pins can work, by the judge's checks alone: descriptions, locks and facts; no network, no process."""
    return run.run(judged(repo, environments, gpus=gpus, driver=driver), judge=True)


def why(repo: Repository, env: Environment, component: str) -> Why:
    """A pin's chain, from the lock where it answers the description."""
    evidence = judged(repo, [env])
    return queries_why.why(env, context.lock_of(evidence, env), run.run(evidence, judge=True), component)


def page(file: Path, text: str) -> Outcome:
    """A page, written wherever people want it. Raises ToolError where it cannot be."""
    changed = write_files({file.absolute(): text})
    return Outcome(name=str(file), status="changed" if changed else "same")


def expect_workable(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError when facts say that pins cannot work; what is waived, and warnings, pass."""
    found = run.blocking(judge(repo, environments))
    if found:
        said = "\n".join(f"{one.where}: {one.message}\n    {one.remedy}" for one in found)
        raise FindingsError(f"{said}\nThese pins cannot work; nothing was started.")


def check(repo: Repository, environments: Sequence[Environment], *ids: str) -> tuple[registry.Result, ...]:
    """The committed state against the descriptions, by the checks whose ids start so. Offline, nothing resolved."""
    evidence = committed(repo, environments, texts=any(not one.startswith("LCK") for one in ids))
    return tuple(result for result in run.run(evidence) if result.check.startswith(ids))


def verify(
    repo: Repository, environments: Sequence[Environment], *, require: Sequence[str] = ()
) -> tuple[registry.Result, ...]:
    """Every check on everything that can be gathered here. The network is asked only where it is required."""
    evidence = everything(repo, environments, network="network" in require)
    return run.run(evidence)


def failures(results: Sequence[registry.Result], *, require: Sequence[str] = ()) -> int:
    """The exit code that results ask for: findings, and skips of what is required."""
    bad = any(
        r.status == "found"
        or (r.status == "skipped" and (r.need in require or (r.image and "image" in require)))
        for r in results
    )
    return FindingsError.exit_code if bad else 0
