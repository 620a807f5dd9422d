"""`eject`: torchpin's template and scripts, written into a repository, where they can be changed."""

from __future__ import annotations

from pathlib import Path

from torchpin import paths
from torchpin.commands.report import CommandReport
from torchpin.errors import InputError
from torchpin.model import Settings
from torchpin.tools.resources import read_resource, resource_names
from torchpin.workspace.workspace import Repository, find_root
from torchpin.workspace.writer import create_missing_files

_SUMMARIES = {
    "template": f"Dockerfiles are rendered from {paths.DOCKERFILE_TEMPLATE} now, whichever torchpin does it",
    "runtime": f"images carry the scripts in {paths.RUNTIME} now; delete those that torchpin may go on updating",
}


def eject(part: str) -> CommandReport:
    """Writes the template or the scripts into the repository of the current folder; files that exist are kept.

    Raises InputError for anything else.
    """
    if part not in _SUMMARIES:
        raise InputError(f"`{part}` cannot be ejected; choose {' or '.join(_SUMMARIES)}")
    repo = Repository(root=find_root(Path.cwd()), services=(), settings=Settings())
    names = ("Dockerfile.j2",) if part == "template" else resource_names("runtime")
    files = {f"{paths.DOCKER}/{name}": read_resource(name) for name in names}
    return CommandReport(outcomes=create_missing_files(repo, files), summary=_SUMMARIES[part])
