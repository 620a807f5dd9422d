"""A revision of the repository beside the work tree: its descriptions, and what its images were made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import TorchpinError
from torchpin.image import plan
from torchpin.queries.affected import image_inputs
from torchpin.tools.copied_files import copied_digests
from torchpin.workspace import description_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.model import Environment, Service
    from torchpin.queries.affected import ImageInputs
    from torchpin.workspace.workspace import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class RevisionInputs:
    """What the images of a revision were made of: by environment its inputs, or why they are unknown.

    `unread` has by service why its description cannot be read; `environments` are those of the others.
    """

    environments: tuple[Environment, ...]
    inputs: Mapping[str, ImageInputs | str]
    unread: Mapping[str, str]

    def of(self, env: Environment) -> ImageInputs | str | None:
        """The inputs of an environment, why they are unknown, or None where it did not exist."""
        return self.inputs.get(env.name, self.unread.get(env.service.name))


def read_revision(repo: Repository, revision: str, folder: Path) -> RevisionInputs:
    """The images of a revision, whose files are written below `folder`.

    Keys are those of the committed Dockerfiles and context lists, which the torchpin of then rendered.
    Raises InputError for a revision that does not exist.
    """
    from torchpin.tools import git_checkout

    committed = (paths.SERVICES, paths.DOCKER, paths.DOCKERIGNORE)
    root = git_checkout.export_files(repo.root, revision, committed, folder / "descriptions")
    services, unread = _read_services(repo, root)
    environments = select_environments(services) if services else ()
    origins = {entry.origin for env in environments for entry in env.copied_files}
    if origins:
        root = git_checkout.export_files(repo.root, revision, (*committed, *origins), folder / "copied")
    then = replace(repo, root=root, services=services, descriptions={}, staged={})
    inputs = {env.name: _read_inputs(then, env) for env in environments}
    return RevisionInputs(environments=environments, inputs=inputs, unread=unread)


def _read_services(repo: Repository, root: Path) -> tuple[tuple[Service, ...], dict[str, str]]:
    """The services of a revision, and why others cannot be read; a description that is as it is now is not read again."""
    texts, unreadable = description_files.read_texts(root, only=())
    changed = {path: text for path, text in texts.items() if repo.descriptions.get(path) != text}
    services, invalid = read.read_valid_services(changed)
    unchanged = (
        service for service in repo.services if service.file in texts and service.file not in changed
    )
    problems = {path.split("/")[1]: str(rows[0]) for path, rows in {**unreadable, **invalid}.items()}
    return (*unchanged, *services), problems


def _read_inputs(repo: Repository, env: Environment) -> ImageInputs | str:
    try:
        dockerfile, listing = (repo.text(path) for path in paths.rendered_paths(env.name))
        if dockerfile is None or listing is None:
            return f"{paths.image_folder(env.name)} was not committed"
        left_out = plan.left_out_files(env.service)
        copied = copied_digests(repo.root, env.service, plan.copied_paths(env), left_out)
    except TorchpinError as error:
        return str(error).splitlines()[0]
    return image_inputs(env, dockerfile, listing, copied)
