"""`judge`, `support` and `why`: verdicts about the selected environments, and the page that shows them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torchpin.commands import judge
from torchpin.commands.report import CommandReport, Watcher
from torchpin.commands.report_page import collect_report, write_report
from torchpin.commands.selection import Selection, open_workspace
from torchpin.queries.support import build_matrix, select_gpus
from torchpin.workspace.evidence import current_date, require_gpu_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from torchpin.checks.registry import Result
    from torchpin.commands.fix import FixedFile
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment
    from torchpin.queries.report import Report
    from torchpin.queries.support import Matrix
    from torchpin.queries.why import Explanation
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeOptions:
    """`gpus` and `driver`: judged for these instead of the described ones. `fix`: safe fixes are made before.

    `strict`: notices and unknowns fail, too.
    """

    gpus: tuple[str, ...] = ()
    driver: str | None = None
    fix: bool = False
    strict: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """The judge's results. `gpus`: the columns of the matrix; `notices`: waivers that end soon.

    `target`: what was judged in place of the described GPUs and drivers, as words. `shares`: by environment, which packages have measured facts.
    """

    repo: Repository
    environments: tuple[Environment, ...]
    results: tuple[Result, ...]
    gpus: tuple[str, ...]
    today: date
    target: str = ""
    notices: tuple[str, ...] = ()
    strict: bool = False
    shares: Mapping[str, PackageShare] = field(default_factory=dict)
    passed_over: int = 0  # the exit code of services that could not be read

    @property
    def matrix(self) -> Matrix:
        return build_matrix(self.environments, self.gpus, self.results)

    @property
    def exit_code(self) -> int:
        return self.passed_over or judge.exit_code(self.results, strict=self.strict)


def judge_selection(
    selection: Selection,
    options: JudgeOptions,
    watcher: Watcher,
    *,
    show_fixes: Callable[[Sequence[FixedFile]], object],
) -> Judgement:
    """Whether the selected pins can work. `show_fixes` is given what `options.fix` changed."""
    workspace = open_workspace(selection, watcher, partly=True)
    if options.fix:
        from torchpin.commands.fix import apply_safe_fixes

        show_fixes(apply_safe_fixes(workspace.repo, workspace.environments))
        workspace = open_workspace(selection, Watcher(), partly=True)  # who is passed over has been said
    environments = workspace.environments
    repo = replace(workspace.repo, notes=False)
    results, shares = judge.judge_with_shares(repo, environments, gpus=options.gpus, driver=options.driver)
    driver = f"driver {options.driver}" if options.driver else ""
    return Judgement(
        repo=repo,
        environments=environments,
        results=results,
        shares=shares,
        gpus=select_gpus(environments, options.gpus),
        target=", ".join(filter(None, [*options.gpus, driver])),
        today=current_date(),
        notices=judge.waiver_notices(environments),
        strict=options.strict,
        passed_over=workspace.exit_code,
    )


def judge_gpus(
    selection: Selection, watcher: Watcher, *, gpus: Sequence[str] = (), every: bool = False
) -> Judgement:
    """The selected environments on these GPUs. `every`: on all that facts describe.

    Raises InputError for an empty or unknown name of a GPU.
    """
    require_gpu_names(gpus)
    workspace = open_workspace(selection, watcher, partly=True)
    return Judgement(
        repo=workspace.repo,
        environments=workspace.environments,
        results=judge.judge(replace(workspace.repo, notes=False), workspace.environments),
        gpus=select_gpus(workspace.environments, gpus, every=every),
        today=current_date(),
        passed_over=workspace.exit_code,
    )


def write_verdict_page(file: str, judgement: Judgement, render: Callable[[Report], str]) -> CommandReport:
    """Writes the report of a judgement where a file is named for it. Raises ToolError where it cannot be written."""
    if not file:
        return CommandReport()
    report = collect_report(
        judgement.repo,
        judgement.environments,
        judgement.results,
        gpus=judgement.gpus,
        target=judgement.target,
    )
    return write_report(file, report, render)


def explain_pin(selection: Selection, component: str, watcher: Watcher) -> tuple[Explanation, ...]:
    """The chain of a pin in each selected environment."""
    workspace = open_workspace(selection, watcher)
    return tuple(judge.why(workspace.repo, env, component) for env in workspace.environments)
