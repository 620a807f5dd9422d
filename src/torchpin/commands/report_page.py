"""`report`: how the services stand, collected from what is committed, and the page that shows it."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands import judge
from torchpin.commands.export import stated_time
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_workspace
from torchpin.errors import ToolError
from torchpin.queries.report import Basis, Origin, RecordedImage, build_report
from torchpin.workspace import evidence
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.kept_results import Question, answers
from torchpin.workspace.workspace import read_build_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchpin.checks.registry import Result
    from torchpin.commands.report import Watcher
    from torchpin.model import Environment
    from torchpin.queries.report import Report
    from torchpin.workspace.workspace import Repository

# What belongs to a repository of services: a change of another file does not make its report one of changed files.
_REPORTED = (paths.SERVICES, paths.LOCKFILES, paths.RECORDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectedReport:
    """A report, and the exit code of services that could not be read."""

    report: Report
    exit_code: int = 0


def report_selection(selection: Selection, watcher: Watcher) -> CollectedReport:
    """How the selected services stand, by every check of committed files. Neither network nor an engine is used."""
    workspace = open_workspace(selection, watcher, partly=True)
    repo = replace(workspace.repo, notes=False)
    by_environment = answers(repo, workspace.environments, Question(kind="verify", renderings=True))
    results = [result for answer in by_environment.values() for result in answer.results]
    report = collect_report(repo, workspace.environments, results)
    return CollectedReport(report=report, exit_code=workspace.exit_code)


def collect_report(
    repo: Repository,
    environments: Sequence[Environment],
    results: Sequence[Result],
    *,
    gpus: Sequence[str] = (),
    target: str = "",
) -> Report:
    """The report of results. `gpus`: the columns of its matrix; `target`: what was judged in place of the described GPUs."""
    context = evidence.from_repository(repo, environments, renderings=False, documents=False, records=False)
    basis = Basis(
        context=context,
        results=results,
        images=_recorded_images(repo, environments),
        descriptions=repo.descriptions,
        bumps=read_bumps(repo),
    )
    return build_report(
        _origin(repo),
        basis,
        gpus=gpus,
        notices=judge.waiver_notices(environments),
        unreadable={name: tuple(map(str, problems)) for name, problems in repo.broken.items()},
        target=target,
    )


def write_report(file: str, report: Report, render: Callable[[Report], str]) -> CommandReport:
    """Writes the page where a file is named for it. Raises ToolError where it cannot be written."""
    if not file:
        return CommandReport()
    return report_outcomes([judge.write_page(Path(file), render(report))])


def _origin(repo: Repository) -> Origin:
    """The repository by the name of its origin, else of its folder; the date is SOURCE_DATE_EPOCH or today."""
    address, commit = "", ""
    with suppress(ToolError, ImportError):  # GitPython's import fails on a machine without git
        from torchpin.tools import git_checkout

        address, commit = git_checkout.checkout_state(repo.root, _REPORTED)
    name = address.rstrip("/").removesuffix(".git").replace(":", "/").rpartition("/")[2]
    time = stated_time()
    return Origin(
        repository=name or repo.root.resolve().name,
        day=evidence.current_date() if time is None else _day(time),
        commit=commit.removesuffix("-dirty"),
        is_changed=commit.endswith("-dirty"),
    )


def _recorded_images(repo: Repository, environments: Sequence[Environment]) -> dict[str, RecordedImage]:
    times: dict[str, int] = {}
    with suppress(ToolError, ImportError):
        from torchpin.tools import git_checkout

        times = git_checkout.last_changes(repo.root, paths.RECORDS)
    images = {}
    for env in environments:
        size = read_build_record(repo, env).get("size_bytes")
        time = times.get(paths.freeze_path(env.name))
        images[env.name] = RecordedImage(
            day=None if time is None else _day(time),
            size=size if isinstance(size, int) else None,
            freeze=repo.text(paths.freeze_path(env.name)),
        )
    return images


def _day(time: int) -> dt.date:
    return dt.datetime.fromtimestamp(time, tz=dt.timezone.utc).date()
