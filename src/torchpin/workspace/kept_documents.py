"""What the documents say of services, kept as the results of checks are; and a context for checks that read all services."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Lock
from torchpin.tools.fingerprints import Fingerprints, NotPlainError
from torchpin.tools.kept import KeptAnswers, digest
from torchpin.tools.own_code import code_digest
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.documents.service_parts import ServiceParts
    from torchpin.model import Environment, Service
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.kept_results import Answer
    from torchpin.workspace.workspace import Repository


def document_context(
    repo: Repository, environments: Sequence[Environment], known: Mapping[str, Answer]
) -> CheckContext:
    """A context with the documents. Its locks, of which `known` says whether they can be read, are read where a check needs one."""
    locks = _LocksOnDemand(repo, [env for env in environments if known[env.name].is_locked])
    parts = KeptParts(repo)
    context = evidence.for_documents(repo, environments, locks, parts)
    parts.save()
    return context


class _LocksOnDemand(Mapping[str, Lock]):
    """The locks of environments, each parsed when it is asked for."""

    def __init__(self, repo: Repository, environments: Sequence[Environment]) -> None:
        self._repo = repo
        self._environments = {env.name: env for env in environments}
        self._locks: dict[str, Lock] = {}

    def __getitem__(self, name: str) -> Lock:
        if name not in self._locks:
            self._locks[name] = evidence.parse_lock(self._repo, self._environments[name])
        return self._locks[name]

    def __contains__(self, name: object) -> bool:
        return name in self._environments

    def __iter__(self) -> Iterator[str]:
        return iter(self._environments)

    def __len__(self) -> int:
        return len(self._environments)


class KeptParts(dict[str, "ServiceParts"]):
    """What the documents say of each service, as far as it was kept and nothing that it rests on has changed."""

    def __init__(self, repo: Repository) -> None:
        super().__init__()
        self._repo = repo
        self._kept, self._files_kept = KeptAnswers(repo.root, "documents"), KeptAnswers(repo.root, "files")
        self._files = Fingerprints(repo.root, self._files_kept)
        self._keys = {} if repo.published is not None or repo.staged else self._read_keys()
        for name, key in self._keys.items():
            part = self._kept.get(name, key)
            if part is not None:
                super().__setitem__(name, part)

    def __setitem__(self, name: str, part: ServiceParts) -> None:
        super().__setitem__(name, part)
        if name in self._keys:
            self._kept.put(name, self._keys[name], part)

    def save(self) -> None:
        self._files_kept.save()
        self._kept.save({service.name for service in self._repo.services})

    def _read_keys(self) -> dict[str, str]:
        from torchpin.workspace.bumps import read_bumps

        keys: dict[str, str] = {}
        with suppress(InputError):  # of an update's record: it is reported where the documents are made
            log = read_bumps(self._repo)
            for service in self._repo.services:
                with suppress(NotPlainError, OSError):
                    keys[service.name] = self._key(service, log)
        return keys

    def _key(self, service: Service, log: Sequence[BumpEntry]) -> str:
        description = self._repo.descriptions.get(service.file)
        if description is None:
            raise NotPlainError(service.file)
        bumps = digest(*(repr(entry) for entry in log if service.name in entry.services))
        folders = [
            folder(env.name)
            for env in select_environments([service])
            for folder in (paths.lock_folder, paths.record_folder)
        ]
        return digest(code_digest(), description, bumps, *map(self._files.folder, folders))
