"""Generated files as the commit that they were last written in gives them: what differs from that was edited by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torchpin
from torchpin import paths
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import TorchpinError
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.workspace.workspace import Repository

_MOST_REVISIONS = 3  # a later commit may have changed the prose of a document alone
_INPUTS = (
    f"{paths.SERVICES}/",
    f"{paths.LOCKFILES}/",
    f"{paths.DOCKER}/",
    f"{paths.RECORDS}/",
    *paths.DOCUMENTS,
)


def committed_texts(repo: Repository, path: str) -> Iterator[str]:
    """A generated file as the descriptions, locks and records of its last commits give it, the newest first.

    None for a commit whose own torchpin was another one, or that cannot be read: nobody can tell what it gave.
    """
    from torchpin.tools import git

    try:
        for revision in git.last_revisions(repo.root, path, _MOST_REVISIONS):
            if not git.is_unchanged_since(repo.root, revision, Path(torchpin.__file__).parent):
                return
            texts = git.texts_at_revision(repo.root, revision, _INPUTS)
            with tempfile.TemporaryDirectory(prefix="torchpin-") as folder:
                write_files({Path(folder, file): text for file, text in texts.items()})
                text = _generate(repo, Path(folder), path)
            if text is not None:
                yield text
    except (TorchpinError, ImportError):  # GitPython's import fails on a machine without git
        return


def _generate(repo: Repository, root: Path, path: str) -> str | None:
    descriptions = workspace.read_descriptions(root)
    services = read.read_services(descriptions)
    committed = workspace.Repository(
        root=root, services=services, settings=repo.settings, published=repo.published
    )
    if path in paths.DOCUMENTS:
        return generated.expected_documents(committed, {}).get(path)
    for env in select_environments(services):
        if path in paths.rendered_paths(env.name):
            lock = workspace.read_lock(committed, env)
            return generated.render_environment(committed, env, lock).files[path]
    return None
