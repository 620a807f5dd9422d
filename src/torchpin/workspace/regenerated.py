"""Generated files as the commit that they were last written in gives them: what differs from that was edited by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torchpin
from torchpin import paths
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, TorchpinError
from torchpin.tools.files import write_files
from torchpin.tools.scratch import temporary_folder
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
    f"{paths.SERVICE_PAGES}/",
    *paths.DOCUMENTS,
)


@dataclass(frozen=True)
class History:
    """The last commits of a repository; what one gives is generated once."""

    repo: Repository
    _generated: dict[str, dict[str, str]] = field(default_factory=dict)

    def texts(self, path: str) -> Iterator[str]:
        """A generated file as the descriptions, locks and records of its last commits give it, the newest first.

        None for a commit whose own torchpin was another one, or that cannot be read: nobody can tell what it gave.
        """
        from torchpin.tools import git_checkout

        try:
            for revision in git_checkout.last_revisions(self.repo.root, path, _MOST_REVISIONS):
                if revision not in self._generated:
                    self._generated[revision] = _generate(self.repo, revision)
                if path in self._generated[revision]:
                    yield self._generated[revision][path]
        except (TorchpinError, ImportError):  # GitPython's import fails on a machine without git
            return


def _generate(repo: Repository, revision: str) -> dict[str, str]:
    """All generated files of a revision; none of what cannot be determined."""
    from torchpin.tools import git_checkout

    if not git_checkout.is_unchanged_since(repo.root, revision, Path(torchpin.__file__).parent):
        return {}
    texts = git_checkout.texts_at_revision(repo.root, revision, _INPUTS)
    with temporary_folder() as root:
        write_files({root / file: text for file, text in texts.items()})
        services = read.read_services(workspace.read_descriptions(root))
        committed = workspace.Repository(
            root=root, services=services, settings=repo.settings, published=repo.published
        )
        return current_texts(committed)


def current_texts(repo: Repository) -> dict[str, str]:
    """All generated files as a repository's descriptions, locks and records give them; none where a lock is not current."""
    documents = generated.expected_documents(repo, {})
    texts = {path: text for path, text in documents.items() if text is not None}
    for env in select_environments(repo.services):
        with suppress(InputError):
            texts |= generated.environment_files(repo, env, workspace.read_lock(repo, env))
    return texts
