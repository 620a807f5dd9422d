"""`render` and `document`: the files that are generated from descriptions and locks.

What writes them is imported where they are written: `--check` needs none of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands.judge import check_workspace
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.errors import FindingsError, InputError
from torchpin.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment, Problem
    from torchpin.workspace.workspace import Repository


def write_renderings(
    repo: Repository, environments: Sequence[Environment], *, overwrite: bool = False
) -> tuple[Outcome, ...]:
    """Writes the Dockerfile of every environment, the list of its build context, and its SBOM; `overwrite`: over edits by hand too."""
    from torchpin.workspace import generated
    from torchpin.workspace.workspace import read_lock
    from torchpin.workspace.writer import write_with_outcomes

    repo = replace(
        repo
    )  # which has read nothing: all that is read from here on must stay until the files are written
    files: dict[str, str | None] = {}
    for env in environments:
        files |= generated.environment_files(repo, env, read_lock(repo, env))
    return write_with_outcomes(repo, files, overwrite=overwrite)


def write_documents(repo: Repository, *, overwrite: bool = False) -> tuple[Outcome, ...]:
    """Writes the generated sections of the documents; prose outside their markers stays as it is.

    The page of a service that is no longer described goes; where it has prose, it stays, and its outcome says so. While a
    service has no current lock, what shows all services waits for it, and the rest is written.
    """
    from torchpin.commands.bump_records import migrate
    from torchpin.workspace import generated
    from torchpin.workspace.writer import write_with_outcomes

    repo = replace(repo)
    unlocked: dict[str, str] = {}
    try:
        documents = generated.expected_documents(repo, {}, strict=True)
    except InputError:
        unlocked = generated.unlocked_services(repo)
        if not unlocked:
            raise
        documents = generated.expected_documents(repo, {}, strict=True, without=unlocked)
    moved = migrate(repo, overwrite=overwrite)
    outcomes = write_with_outcomes(repo, {**documents}, overwrite=overwrite)
    return (
        *(Outcome(name=path, status="changed") for path in moved),
        *outcomes,
        *map(_stray_page, generated.stray_pages(replace(repo))),
        *(_unlocked(service, reason) for service, reason in unlocked.items()),
    )


def _unlocked(service: str, reason: str) -> Outcome:
    from torchpin.workspace.generated import OF_ALL_SERVICES

    waiting = ", ".join([*OF_ALL_SERVICES, paths.page_path(service)])
    detail = f"{reason}; {waiting} wait for that"
    return Outcome(name=service, status="failed", detail=detail, code=FindingsError.exit_code)


def _stray_page(problem: Problem) -> Outcome:
    return Outcome(
        name=problem.position.file, status="failed", detail=problem.message, code=FindingsError.exit_code
    )


def render_workspace(workspace: Workspace, *, check: bool, overwrite: bool) -> CommandReport:
    """Renders the environments, or with `check` compares their rendered files."""
    if check:
        return check_workspace(workspace, "DKR", "LCK002")
    return report_outcomes(write_renderings(workspace.repo, workspace.environments, overwrite=overwrite))


def document_workspace(workspace: Workspace, *, check: bool, overwrite: bool) -> CommandReport:
    """Writes the documents, or with `check` compares them."""
    if check:
        return check_workspace(workspace, "DOC", "LCK002")
    return report_outcomes(write_documents(workspace.repo, overwrite=overwrite))
