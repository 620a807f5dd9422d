"""What the documents say of services, kept as the results of checks are; and a context for checks that read all services."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks import run
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Lock
from torchpin.tools.fingerprints import Fingerprints, NotPlainError
from torchpin.tools.kept_answers import KeptAnswers, digest
from torchpin.tools.own_code import code_digest
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Result
    from torchpin.documents.service_parts import ServiceParts
    from torchpin.model import Environment, Service
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.kept_results import Answer
    from torchpin.workspace.workspace import Repository


_RESULTS = "/"  # the name of the results of all documents, which is that of no service


def document_results(
    repo: Repository, environments: Sequence[Environment], answers: Mapping[str, Answer]
) -> tuple[Result, ...]:
    """The results of the checks that compare documents, which are those of an earlier run where nothing has changed."""
    parts = KeptParts(repo)
    key = parts.documents_key(environments, answers)
    results = parts.results(key)
    if results is None:
        context = evidence.for_documents(
            repo, environments, _readable_locks(repo, environments, answers), parts
        )
        results = run.run(context, reads="documents")
        parts.keep_results(key, results)
    parts.save()
    return results


def readable_context(
    repo: Repository, environments: Sequence[Environment], answers: Mapping[str, Answer]
) -> CheckContext:
    """A context with the locks that can be read, each parsed where a check asks for it."""
    locks = _readable_locks(repo, environments, answers)
    return replace(evidence.from_descriptions(environments), locks=locks, published=repo.published)


def _readable_locks(
    repo: Repository, environments: Sequence[Environment], answers: Mapping[str, Answer]
) -> _LocksOnDemand:
    return _LocksOnDemand(repo, [env for env in environments if answers[env.name].is_locked])


class _LocksOnDemand(Mapping[str, Lock]):
    """The locks of environments, each parsed when it is requested."""

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

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self._read(name))

    def _read(self, name: str) -> bool:
        """Whether the part of a service was kept; it is read when somebody asks for it."""
        part = self._kept.get(name, self._keys[name]) if name in self._keys else None
        if part is not None:
            super().__setitem__(name, part)
        return part is not None

    def __setitem__(self, name: str, part: ServiceParts) -> None:
        super().__setitem__(name, part)
        if name in self._keys:
            self._kept.put(name, self._keys[name], part)

    def documents_key(self, environments: Sequence[Environment], answers: Mapping[str, Answer]) -> str:
        """The digest of all that the comparison of documents rests on; "" where that is not in plain files alone."""
        repo = self._repo
        names = [service.name for service in repo.services]
        if self._keys.keys() != {*names}:
            return ""
        try:
            folders = map(self._files.folder, ("docs", paths.SERVICE_PAGES))
            files = map(self._files.file, (paths.DEVIATIONS, paths.FORMER_BUMP_LOG))
            documents = digest(*folders, *files)
        except (NotPlainError, OSError):
            return ""
        locked = digest(*(f"{env.name} {answers[env.name].is_locked}" for env in environments))
        others = digest(*workspace.orphaned_folders(repo)), digest(*sorted(repo.broken))
        return digest(code_digest(), locked, *others, documents, *(self._keys[name] for name in names))

    def results(self, key: str) -> tuple[Result, ...] | None:
        results = self._kept.get(_RESULTS, key) if key else None
        return results if isinstance(results, tuple) else None

    def keep_results(self, key: str, results: tuple[Result, ...]) -> None:
        if key:
            self._kept.put(_RESULTS, key, results)

    def save(self) -> None:
        self._files_kept.save()
        self._kept.save({_RESULTS, *(service.name for service in self._repo.services)})

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
