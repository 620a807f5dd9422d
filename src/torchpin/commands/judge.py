"""`judge`, `verify` and `why`: the checks, run on the collected evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.checks import context, registry, run
from torchpin.checks.report import errors_text
from torchpin.checks.verdict_text import REQUIRABLE, lacks, summary_sentence
from torchpin.checks.waivers import ending_waivers
from torchpin.commands.report import CommandReport
from torchpin.errors import FindingsError, InputError
from torchpin.model import Outcome
from torchpin.tools.files import write_files
from torchpin.workspace.evidence import add_machine, for_judge, from_descriptions, require_targets
from torchpin.workspace.kept_documents import document_results, readable_context
from torchpin.workspace.kept_results import Question, answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torchpin.commands.selection import Workspace
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment
    from torchpin.queries.why import Explanation
    from torchpin.workspace.kept_results import Answer
    from torchpin.workspace.workspace import Repository


def judge(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    gpus: Sequence[str] = (),
    driver: str | None = None,
) -> tuple[registry.Result, ...]:
    """The results of the judge's checks, from descriptions, locks and facts; no network, no process."""
    return judge_with_shares(repo, environments, gpus=gpus, driver=driver)[0]


def judge_with_shares(
    repo: Repository,
    environments: Sequence[Environment],
    *,
    gpus: Sequence[str] = (),
    driver: str | None = None,
) -> tuple[tuple[registry.Result, ...], dict[str, PackageShare]]:
    """The same, with how many packages of each environment have measured facts."""
    require_targets(gpus, driver)
    question = Question(kind="judge", judge=True, gpus=tuple(gpus), driver=driver or "")
    env_answers = answers(repo, environments, question)
    return _results(env_answers), {name: answer.share for name, answer in env_answers.items()}


def _results(env_answers: Mapping[str, Answer]) -> tuple[registry.Result, ...]:
    return tuple(result for answer in env_answers.values() for result in answer.results)


def why(repo: Repository, env: Environment, component: str) -> Explanation:
    """The reasons behind a pin, with the lock where it is up to date."""
    from torchpin.queries.why import explain_component

    check_context = for_judge(repo, [env])
    return explain_component(
        env, context.current_lock(check_context, env), run.run(check_context, judge=True), component
    )


def write_page(file: Path, text: str) -> Outcome:
    """Writes a page to any path. Raises ToolError where it cannot be written."""
    changed = write_files({file.absolute(): text})
    return Outcome(name=str(file), status="changed" if changed else "same")


def require_compatible(repo: Repository, environments: Sequence[Environment]) -> None:
    """Raises FindingsError for an open error of the judge; warnings, notices and waived findings pass."""
    results = judge(repo, environments)
    if run.blocking_findings(results):
        raise FindingsError(f"incompatible pins; nothing was started\n{errors_text(results)}")


def check(repo: Repository, environments: Sequence[Environment], *ids: str) -> tuple[registry.Result, ...]:
    """The results of the checks whose ids start with one of `ids`, on the committed files. Offline, nothing resolved."""
    env_answers = answers(repo, environments, Question(kind="-".join(ids), ids=ids, renderings="DKR" in ids))
    if "DOC" not in ids:
        return _results(env_answers)
    return _merge(environments, _results(env_answers), document_results(repo, environments, env_answers))


def _merge(
    environments: Sequence[Environment], *parts: Sequence[registry.Result]
) -> tuple[registry.Result, ...]:
    """The results by environment, in the order of ids."""
    places = {env.name: place for place, env in enumerate(environments)}
    results = (result for part in parts for result in part)
    return tuple(sorted(results, key=lambda result: (places[result.environment], result.check)))


def verify(
    repo: Repository, environments: Sequence[Environment], *, require: Sequence[str] = ()
) -> tuple[registry.Result, ...]:
    """Every check on all evidence of this machine. The network is used only where `require` has it."""
    env_answers = answers(repo, environments, Question(kind="verify", renderings=True))
    documents = document_results(repo, environments, env_answers)
    machine = add_machine(
        repo, readable_context(repo, environments, env_answers), network="network" in require
    )
    return _merge(environments, _results(env_answers), documents, run.run(machine, reads="machine"))


def exit_code(
    results: Sequence[registry.Result], *, require: Sequence[str] = (), strict: bool = False
) -> int:
    """The exit code of results: 1 for an open error or warning and for a skip of what is required; `strict`: for all."""
    failed = any(run.is_failure(result, strict=strict) or lacks(result, require) for result in results)
    return FindingsError.exit_code if failed else 0


def waiver_notices(environments: Sequence[Environment]) -> tuple[str, ...]:
    """A sentence for each waiver that ends soon, once."""
    check_context = from_descriptions(environments)
    return tuple(
        dict.fromkeys(notice for env in environments for notice in ending_waivers(check_context, env))
    )


def report_results(
    results: Sequence[registry.Result],
    *,
    require: Sequence[str] = (),
    strict: bool = False,
    notices: Sequence[str] = (),
) -> CommandReport:
    """Results, with their exit code."""
    code = exit_code(results, require=require, strict=strict)
    return CommandReport(
        results=tuple(results),
        notices=tuple(notices),
        summary=summary_sentence(results, strict=strict, require=require),
        exit_code=code,
    )


def check_workspace(workspace: Workspace, *ids: str) -> CommandReport:
    """`--check`: the results of the checks whose ids start with one of `ids`; an environment without a lock fails."""
    repo = replace(workspace.repo, notes=False)
    return report_results(check(repo, workspace.environments, *ids), require=("lock",))


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions:
    """`require`: what must be available; a check that is skipped for lack of it fails. `strict`: notices and unknowns fail."""

    require: tuple[str, ...] = ()
    strict: bool = False

    def __post_init__(self) -> None:
        unknown = sorted({*self.require} - {*REQUIRABLE})
        if unknown:
            raise InputError(
                f"unknown `--require` value: {', '.join(unknown)}; known: {', '.join(REQUIRABLE)}"
            )


def verify_workspace(workspace: Workspace, options: VerifyOptions) -> CommandReport:
    """Every check on what is committed, cloned, built and recorded."""
    repo = replace(workspace.repo, notes=False)
    results = verify(repo, workspace.environments, require=options.require)
    report = report_results(
        results,
        require=options.require,
        strict=options.strict,
        notices=waiver_notices(workspace.environments),
    )
    return replace(report, exit_code=workspace.exit_code or report.exit_code)
