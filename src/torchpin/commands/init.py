"""`init`: the files that make a folder a repository of services."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torchpin import __version__, paths
from torchpin.commands.report import CommandReport
from torchpin.errors import InputError
from torchpin.model import Outcome, Settings
from torchpin.project.dockerfile import is_dockerfile
from torchpin.tools.resources import read_resource, resource_names
from torchpin.workspace.workspace import Repository, find_described_root
from torchpin.workspace.writer import create_missing_files

_EXAMPLE = "example"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFile:
    """A file of a new repository.

    `mention`: the text by which one that exists is known to call torchpin; "" where each line counts by itself.
    `merged`: one that exists needs these lines, but for the first, which it has in its own way. `top_only`: it works only
    at the top of a git repository.
    """

    path: str
    resource: str
    mention: str = ""
    merged: bool = True
    top_only: bool = False


_FILES = (
    ProjectFile(path=paths.SERVICES_README, resource="project/services.md", merged=False),
    ProjectFile(path=paths.TASKS, resource="project/tasks.py", mention="invoke_tasks"),
    ProjectFile(path=paths.NOXFILE, resource="project/noxfile.py", mention="torchpin"),
    ProjectFile(path=paths.GITIGNORE, resource="project/gitignore"),
    ProjectFile(path=paths.WORKFLOW, resource="project/workflow.yml", merged=False, top_only=True),
    ProjectFile(path=paths.IMAGES_WORKFLOW, resource="project/images.yml", merged=False, top_only=True),
    ProjectFile(
        path=paths.PRE_COMMIT, resource="project/pre-commit-config.yaml", mention="torchpin", top_only=True
    ),
)


def initialize(*, example: bool) -> CommandReport:
    """Makes the current folder a repository of services; files that exist are kept, with the lines that they lack.

    Raises InputError outside of git, and in a repository that has services already.
    """
    from torchpin.tools import git_checkout  # slow to import

    root = Path.cwd()
    described = find_described_root(root)
    if described not in {None, root}:
        raise InputError(f"{described} is a torchpin repository already; its commands work in {root} too")
    top = git_checkout.top_folder(root)
    if top is None:
        raise InputError(f"{root} is not in a git repository; run `git init` first, then this again")
    outcomes = write_project(root, example=example, at_top=top == root.resolve())
    return CommandReport(outcomes=outcomes, summary=f"next: {next_step(root, example=example)}")


def next_step(root: Path, *, example: bool) -> str:
    """The commands that go on from a new repository, as they are quoted in a sentence."""
    if example:
        return "`invoke lock`"
    new = "`invoke new --service NAME`"
    if any(is_dockerfile(path.name) and path.is_file() for path in root.iterdir()):
        adopt = f"`invoke adopt . --write {paths.SERVICES}/NAME`"
        return f"{adopt} (this folder has a Dockerfile), or {new}"
    return new


def write_project(root: Path, *, example: bool = False, at_top: bool = True) -> tuple[Outcome, ...]:
    """Writes those files of a new repository that do not exist yet, all or none.

    `at_top`: the folder is the top of its git repository, where workflows and pre-commit's file are read.
    """
    repo = Repository(root=root, services=(), settings=Settings())
    files = {file.path: _text(file) for file in _FILES if at_top or not file.top_only}
    if example:
        files |= {
            f"{paths.service_folder(_EXAMPLE)}/{name.rpartition('/')[2]}": read_resource(name)
            for name in resource_names(_EXAMPLE)
        }
    outcomes = create_missing_files(repo, files)
    return (
        *(_with_advice(repo, outcome) for outcome in outcomes),
        *(
            Outcome(name=file.path, status="kept", detail=_top_advice(file))
            for file in _FILES
            if file.top_only and not at_top
        ),
    )


def _text(file: ProjectFile) -> str:
    return read_resource(file.resource).replace("{version}", __version__)


def _with_advice(repo: Repository, outcome: Outcome) -> Outcome:
    """An outcome with the lines that a kept file lacks."""
    file = next((file for file in _FILES if file.path == outcome.name), None)
    if outcome.status != "kept" or file is None or not file.merged:
        return outcome
    lines = missing_lines(file, repo.text(file.path) or "")
    detail = "\n    ".join(["add to it:", *lines]) if lines else ""
    return Outcome(name=outcome.name, status="kept", detail=detail)


def missing_lines(file: ProjectFile, text: str) -> tuple[str, ...]:
    """The lines that an existing file lacks; none where it calls torchpin already."""
    if file.mention and file.mention in text:
        return ()
    if file.mention:
        return tuple(line for line in _text(file).splitlines()[1:] if line.strip())
    return tuple(line for line in _text(file).splitlines() if line not in text.splitlines())


def _top_advice(file: ProjectFile) -> str:
    lines = "\n    ".join(_text(file).splitlines())
    return f"not written: it belongs at the top of the git repository, with this folder in its paths:\n    {lines}"
