"""`affected`: the environments whose images a change concerns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.commands.selection import Selection, open_workspace
from torchpin.description.environments import select_environments
from torchpin.errors import TorchpinError
from torchpin.queries.affected import AffectedList, compare_inputs, image_inputs
from torchpin.tools.scratch import temporary_folder
from torchpin.workspace import generated, workspace
from torchpin.workspace.revision import read_revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.report import Watcher
    from torchpin.model import Environment
    from torchpin.queries.affected import ImageInputs
    from torchpin.workspace.workspace import Repository


def list_affected(selection: Selection, since: str, watcher: Watcher) -> AffectedList:
    """The selected environments, with what a change since a revision means for them."""
    selected = open_workspace(selection, watcher)
    affected = find_affected(selected.repo, selected.environments, since)
    return replace(affected, removed=affected.removed if selection == Selection() else ())


def find_affected(repo: Repository, environments: Sequence[Environment], since: str) -> AffectedList:
    """Compares the image keys of a revision with those of the work tree; without a revision every environment is new.

    What cannot be determined is affected: a description that could not be read then, a lock that is out of date now.
    Raises InputError for a revision that does not exist.
    """
    from torchpin.tools import git_checkout

    present = {env.name: _present_inputs(repo, env) for env in environments}
    if not since:
        rows = tuple(compare_inputs(env, None, present[env.name]) for env in environments)
        return AffectedList(since="", environments=rows)
    commit = git_checkout.commit_id(repo.root, since)
    with temporary_folder() as folder:
        before = read_revision(repo, commit, folder)
    rows = tuple(compare_inputs(env, before.of(env), present[env.name]) for env in environments)
    described = {*repo.broken, *(env.name for env in select_environments(repo.services))}
    gone = (env for env in before.environments if not {env.name, env.service.name} & described)
    return AffectedList(since=commit, environments=rows, removed=tuple(sorted(env.name for env in gone)))


def _present_inputs(repo: Repository, env: Environment) -> ImageInputs | str:
    """What an image would be made of now, or why nothing can be built now."""
    try:
        rendered = generated.render_environment(repo, env, workspace.read_lock(repo, env))
    except TorchpinError as error:
        return str(error).splitlines()[0]
    dockerfile, listing = rendered.files.values()
    return image_inputs(env, dockerfile, listing, rendered.copied)
