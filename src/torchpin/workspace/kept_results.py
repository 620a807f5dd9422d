"""Results of checks on an environment's files, kept by all that they rest on: what has not changed is not checked again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks import run
from torchpin.checks.context import current_lock
from torchpin.compat.measured import package_share
from torchpin.description.environments import select_environments
from torchpin.tools.fingerprints import Fingerprints, NotPlainError
from torchpin.tools.kept_answers import KeptAnswers, digest
from torchpin.tools.own_code import code_digest
from torchpin.workspace import evidence, workspace
from torchpin.workspace.shared_work import share_out_reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.checks.registry import Result
    from torchpin.compat.measured import PackageShare
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

_BATCH = 50  # environments, of which each has some hundred kilobytes of locks and renderings


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Which checks of files are requested. `kind`: a name for it, which its answers are kept under.

    `judge`: the judge's, for GPUs and a driver other than the described ones; `ids`: those whose ids start so;
    `renderings`: they compare rendered files.
    """

    kind: str
    judge: bool = False
    ids: tuple[str, ...] = ("",)
    gpus: tuple[str, ...] = ()
    driver: str = ""
    renderings: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The results of an environment, and which of its packages have measured facts; `is_locked`: its lock can be read."""

    results: tuple[Result, ...]
    share: PackageShare
    is_locked: bool


def answers(repo: Repository, environments: Sequence[Environment], question: Question) -> dict[str, Answer]:
    """The answers by environment, in their order: those of an earlier run where nothing that they rest on has changed."""
    if repo.published is not None or repo.staged:
        return _compute_all(
            repo, environments, environments, question
        )  # a lab, and texts that are in no file
    kept = KeptAnswers(repo.root, question.kind)
    keys = _Keys(repo, environments, question)
    stored: dict[str, Answer] = {}
    for env in environments:
        answer = kept.get(env.name, keys.by_environment.get(env.name, ""))
        if isinstance(answer, Answer):
            stored[env.name] = answer
    unknown = [env for env in environments if env.name not in stored]
    computed = _compute_all(repo, environments, unknown, question)
    for name, answer in computed.items():
        if name in keys.by_environment:
            kept.put(name, keys.by_environment[name], answer)
    keys.save()
    kept.save({env.name for env in select_environments(repo.services)})
    return {env.name: stored.get(env.name) or computed[env.name] for env in environments}


def _compute_all(
    repo: Repository, environments: Sequence[Environment], chosen: Sequence[Environment], question: Question
) -> dict[str, Answer]:
    """The answers of the chosen ones, some at a time: what was read for them is held no longer."""

    def compute(share: Sequence[Environment]) -> dict[str, Answer]:
        batches = (share[start : start + _BATCH] for start in range(0, len(share), _BATCH))
        parts = (_compute(repo, environments, batch, question) for batch in batches)
        return {name: answer for part in parts for name, answer in part.items()}

    parts = share_out_reading(repo, compute, chosen)
    return {name: answer for part in parts for name, answer in part.items()}


def _compute(
    repo: Repository, environments: Sequence[Environment], chosen: Sequence[Environment], question: Question
) -> dict[str, Answer]:
    """The answers of the chosen ones of all environments that a command is about."""
    context = evidence.from_repository(
        repo, chosen, renderings=question.renderings, documents=False, records=False
    )
    context = replace(
        context,
        reporting=environments[0].name,
        target_gpus=question.gpus,
        target_driver=question.driver,
    )
    by_environment: dict[str, list[Result]] = {env.name: [] for env in chosen}
    for result in run.run(context, judge=question.judge, ids=question.ids, reads="files"):
        by_environment[result.environment].append(result)
    return {
        env.name: Answer(
            results=tuple(by_environment[env.name]),
            share=package_share(env, current_lock(context, env)),
            is_locked=env.name in context.locks,
        )
        for env in chosen
    }


class _Keys:
    """The digests of what the answers rest on, by environment; one that rests on something that is not a regular file has none."""

    def __init__(self, repo: Repository, environments: Sequence[Environment], question: Question) -> None:
        self._repo, self._question = repo, question
        self._kept = KeptAnswers(repo.root, "files")
        self._files = Fingerprints(repo.root, self._kept)
        self._common = self._common_digest()
        self.by_environment: dict[str, str] = {}
        for number, env in enumerate(environments):
            with suppress(NotPlainError, OSError):
                parts = self._parts(env)
                # findings about the repository are reported for the first environment
                orphans = ("first", *workspace.orphaned_folders(repo)) if number == 0 else ()
                self.by_environment[env.name] = digest(self._common, *parts, *orphans)

    def save(self) -> None:
        folders = set(self._files.folders)
        for env in select_environments(self._repo.services):
            folders |= {
                paths.lock_folder(env.name),
                paths.image_folder(env.name),
                paths.record_folder(env.name),
                paths.service_folder(env.service.name),
            }
        self._kept.save(folders)

    def _common_digest(self) -> str:
        """Of what the answers of all environments rest on."""
        policy = self._repo.text(paths.POLICY)
        today = evidence.current_date().isoformat()
        return digest(code_digest(), repr(self._question), today, repr(policy))

    def _parts(self, env: Environment) -> tuple[str, ...]:
        repo, service = self._repo, env.service
        description = repo.descriptions.get(service.file)
        if description is None:
            raise NotPlainError(service.file)
        keys = (repo.text(repository.key) for repository in service.apt_repositories)
        problems = digest(
            *evidence.file_problems(repo, env),
            *("no key" if key is None else key for key in keys),
        )
        parts = (env.name, description, self._files.folder(paths.lock_folder(env.name)), problems)
        if not self._question.renderings:
            return parts
        folders = (
            paths.service_folder(service.name),  # the smoke test
            paths.DOCKER,  # the template
            paths.RUNTIME,
            paths.image_folder(env.name),
            paths.record_folder(env.name),
        )
        return (
            *parts,
            digest(*evidence.copy_problems(repo, env)),
            *map(self._files.folder, folders),
        )
